package mailtest_test

import (
	"errors"
	"io"
	"net/mail"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/textproto"
	"github.com/emersion/go-smtp"

	"mailquorum/probes/mailtest"
)

// counts are the messages of agent2's inbox and junk folder and of the sender's
// inbox, and what is in the queue.
func (s *site) counts() (inbox, junk, sender, queue int) {
	s.t.Helper()
	synctest.Wait()
	for _, c := range []struct {
		n            *int
		user, folder string
	}{{&inbox, "agent2", "INBOX"}, {&junk, "agent2", "Junk"}, {&sender, "agent1", "INBOX"}} {
		n, err := s.p.Count(c.user, c.folder)
		if err != nil {
			s.t.Fatal(err)
		}
		*c.n = n
	}
	return inbox, junk, sender, s.p.Queue()
}

func TestModes(t *testing.T) {
	type counts struct{ inbox, junk, sender, queue int }
	for _, test := range []struct {
		mode       mailtest.Mode
		code       int           // of the answer; 0: the connection breaks
		after      time.Duration // look then
		want, late counts        // then, and an hour later
	}{
		{mailtest.Normal, 250, time.Second, counts{inbox: 1}, counts{inbox: 1}},
		{mailtest.Hold, 250, time.Hour, counts{queue: 1}, counts{queue: 1}},
		{mailtest.Drop, 250, time.Second, counts{}, counts{}},
		{mailtest.Dup, 250, time.Second, counts{inbox: 2}, counts{inbox: 2}},
		{mailtest.Junk, 250, time.Second, counts{junk: 1}, counts{junk: 1}},
		{mailtest.Bounce, 250, time.Second, counts{sender: 1}, counts{sender: 1}},
		{mailtest.Reject, 550, time.Second, counts{}, counts{}},
		{mailtest.Defer, 451, time.Second, counts{}, counts{}},
		{mailtest.RejectData, 550, time.Second, counts{}, counts{}},
		{mailtest.DeferData, 451, time.Second, counts{}, counts{}},
		{mailtest.DeferDelivered, 451, time.Second, counts{inbox: 1}, counts{inbox: 1}},
		{mailtest.CutAfterData, 0, time.Second, counts{inbox: 1}, counts{inbox: 1}},
		{mailtest.Late(47 * time.Minute), 250, 46 * time.Minute, counts{queue: 1}, counts{inbox: 1}},
		{mailtest.Slow(20 * time.Second), 250, time.Second, counts{inbox: 1}, counts{inbox: 1}},
	} {
		t.Run(test.mode.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				s.p.Set(test.mode, "agent2")
				began := time.Now()
				_, err := s.submit("agent2@provider.test")
				var reply *smtp.SMTPError
				switch {
				case test.code == 250 && err != nil,
					test.code > 250 && (!errors.As(err, &reply) || reply.Code != test.code),
					test.code == 0 && (err == nil || errors.As(err, &reply)):
					t.Errorf("answer: %v, want %d", err, test.code)
				}
				if strings.HasPrefix(test.mode.String(), "slow") && time.Since(began) != 20*time.Second {
					t.Errorf("answered after %v", time.Since(began))
				}
				time.Sleep(test.after)
				check := func(want counts) {
					t.Helper()
					var got counts
					got.inbox, got.junk, got.sender, got.queue = s.counts()
					if got != want {
						t.Errorf("after %v: %+v, want %+v", time.Since(began), got, want)
					}
				}
				check(test.want)
				time.Sleep(time.Hour)
				check(test.late)
			})
		})
	}
}

func TestModeText(t *testing.T) {
	for _, m := range []mailtest.Mode{mailtest.Normal, mailtest.CutAfterData, mailtest.Late(90 * time.Second), mailtest.Slow(0), mailtest.Delay(time.Millisecond)} {
		if got, err := mailtest.ParseMode(m.String()); got != m || err != nil {
			t.Errorf("%v: got %v, %v", m, got, err)
		}
	}
	for _, s := range []string{"", "up", "normal 3s", "late", "late x", "late -3s"} {
		if m, err := mailtest.ParseMode(s); err == nil {
			t.Errorf("%q became %v", s, m)
		}
	}
}

// TestModesOfUsers: a mode of a user outranks that of all, until all get one.
func TestModesOfUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.p.Set(mailtest.Junk)
		s.p.Set(mailtest.Drop, "AGENT2")
		s.p.Set(mailtest.Delay(time.Minute), "agent2")
		if got := s.p.Mode("agent2"); got != mailtest.Drop {
			t.Errorf("agent2: %v", got)
		}
		if got := s.p.Mode("agent1"); got != mailtest.Junk {
			t.Errorf("agent1: %v", got)
		}
		s.p.Set(mailtest.Normal)
		if got := s.p.Mode("agent2"); got != mailtest.Normal {
			t.Errorf("agent2 after all: %v", got)
		}
		s.submit("agent2@provider.test")
		time.Sleep(time.Minute - time.Millisecond)
		if inbox, _, _, _ := s.counts(); inbox != 0 {
			t.Error("the delay went away with the mode")
		}
		time.Sleep(time.Millisecond)
		if inbox, _, _, _ := s.counts(); inbox != 1 {
			t.Error("not delivered after its delay")
		}
	})
}

func TestRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.p.Set(mailtest.Hold)
		for range 3 {
			if _, err := s.submit("agent2@provider.test", "agent1@provider.test"); err != nil {
				t.Fatal(err)
			}
		}
		s.p.Set(mailtest.Late(time.Hour), "agent2")
		s.submit("agent2@provider.test")
		time.Sleep(time.Minute)
		s.p.Release("agent2")
		if inbox, _, sender, queue := s.counts(); inbox != 4 || sender != 0 || queue != 3 {
			t.Errorf("after releasing agent2: %d, %d, queue %d", inbox, sender, queue)
		}
		s.p.Release()
		if inbox, _, sender, queue := s.counts(); inbox != 4 || sender != 3 || queue != 0 {
			t.Errorf("after releasing all: %d, %d, queue %d", inbox, sender, queue)
		}
		time.Sleep(2 * time.Hour)
		if inbox, _, _, _ := s.counts(); inbox != 4 {
			t.Errorf("delivered twice: %d", inbox)
		}
	})
}

// TestBounceIsAReport reads the non-delivery report as RFC 3464 wants it.
func TestBounceIsAReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		if err := s.p.Put("agent2", "INBOX", nil); err != nil { // something else in the mailbox
			t.Fatal(err)
		}
		s.p.Set(mailtest.Bounce, "agent1")
		c := smtp.NewClient(s.secureMX())
		defer c.Close()
		if err := c.SendMail("agent2+mq1-x@provider.test", []string{"agent1@provider.test"}, strings.NewReader(letter)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		got := s.read("INBOX")
		if len(got) != 2 {
			t.Fatalf("%d messages", len(got))
		}
		e, err := message.Read(strings.NewReader(got[1]))
		if err != nil {
			t.Fatal(err)
		}
		typ, params, err := e.Header.ContentType()
		if typ != "multipart/report" || params["report-type"] != "delivery-status" || err != nil {
			t.Errorf("content type %q %v: %v", typ, params, err)
		}
		if from, err := mail.ParseAddress(e.Header.Get("From")); err != nil || from.Address != "MAILER-DAEMON@provider.test" {
			t.Errorf("from %v: %v", from, err)
		}
		if to := e.Header.Get("To"); to != "<agent2+mq1-x@provider.test>" {
			t.Errorf("to %q", to)
		}
		var parts []string
		var bodies []string
		for r := e.MultipartReader(); ; {
			p, err := r.NextPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			typ, _, _ := p.Header.ContentType()
			body, _ := io.ReadAll(p.Body)
			parts, bodies = append(parts, typ), append(bodies, string(body))
		}
		if strings.Join(parts, " ") != "text/plain message/delivery-status text/rfc822-headers" {
			t.Fatalf("parts: %v", parts)
		}
		r := readHeaders(t, bodies[1])
		if r[0].Get("Reporting-MTA") != "dns; mail.provider.test" || r[1].Get("Action") != "failed" || r[1].Get("Status") != "5.1.1" ||
			r[1].Get("Final-Recipient") != "rfc822; agent1@provider.test" {
			t.Errorf("delivery status:\n%s", bodies[1])
		}
		if h := readHeaders(t, bodies[2]); h[0].Get("Message-ID") != "<tok-1@x>" {
			t.Errorf("returned headers:\n%s", bodies[2])
		}
	})
}

func readHeaders(t *testing.T, s string) (blocks []textproto.Header) {
	t.Helper()
	for block := range strings.SplitSeq(strings.TrimSpace(s), "\r\n\r\n") {
		h, err := textproto.ReadHeader(newReader(block + "\r\n\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, h)
	}
	return blocks
}

// TestBounceOfABounce: mail from the null reverse path makes no report.
func TestBounceOfABounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.p.Set(mailtest.Bounce)
		c := smtp.NewClient(s.secureMX())
		defer c.Close()
		for _, from := range []string{"", "x@elsewhere.test"} {
			if err := c.SendMail(from, []string{"agent2@provider.test"}, strings.NewReader(letter)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		if inbox, junk, sender, queue := s.counts(); inbox+junk+sender+queue != 0 {
			t.Error("something came of it")
		}
	})
}
