package mailtest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"mailquorum/probes/mailtest"
)

const letter = "Message-ID: <tok-1@x>\r\nSubject: canary\r\n\r\nhi\r\n"

// site is a provider on a network, and a client host.
type site struct {
	t   *testing.T
	net *mailtest.Network
	p   *mailtest.Provider
}

func newSite(t *testing.T) *site {
	t.Helper()
	n := mailtest.NewNetwork()
	p, err := mailtest.StartProvider(mailtest.ProviderConfig{
		Listen: n.Listen,
		SMTPS:  "mail.provider.test:465", Submission: "mail.provider.test:587", MX: "mail.provider.test:25",
		IMAPS: "mail.provider.test:993", IMAP: "mail.provider.test:143",
		Users: []mailtest.User{{Name: "agent1", Password: "secret-1"}, {Name: "agent2", Password: "secret-2"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error("closing the provider:", err)
		}
	})
	return &site{t: t, net: n, p: p}
}

func (s *site) dial(service string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return s.net.Dial("agent.test")(ctx, "tcp", s.p.Addr(service))
}

func (s *site) tls() *tls.Config {
	return &tls.Config{RootCAs: s.p.CA(), ServerName: s.p.Host()}
}

func (s *site) secure(service string) net.Conn {
	s.t.Helper()
	c, err := s.dial(service)
	if err != nil {
		s.t.Fatal(err)
	}
	return tls.Client(c, s.tls())
}

func (s *site) submit(to ...string) (string, error) {
	s.t.Helper()
	c := smtp.NewClient(s.secure("smtps"))
	defer c.Close()
	if err := c.Auth(sasl.NewPlainClient("", "agent1", "secret-1")); err != nil {
		return "", err
	}
	if err := c.Mail("agent1+verp@provider.test", nil); err != nil {
		return "", err
	}
	for _, r := range to {
		if err := c.Rcpt(r, nil); err != nil {
			return "", err
		}
	}
	w, err := c.Data()
	if err != nil {
		return "", err
	}
	fmt.Fprint(w, letter)
	resp, err := w.CloseWithResponse()
	if err != nil {
		return "", err
	}
	return resp.StatusText, c.Quit()
}

func (s *site) read(folder string) []string {
	s.t.Helper()
	c := imapclient.New(s.secure("imaps"), nil)
	defer c.Close()
	if err := c.Login("agent2@provider.test", "secret-2").Wait(); err != nil {
		s.t.Fatal(err)
	}
	if _, err := c.Select(folder, nil).Wait(); err != nil {
		s.t.Fatal(err)
	}
	all := imap.UIDSet{imap.UIDRange{Start: 1}}
	msgs, err := c.Fetch(all, &imap.FetchOptions{UID: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}}).Collect()
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, m := range msgs {
		for _, b := range m.BodySection {
			out = append(out, string(b.Bytes))
		}
	}
	if err := c.Logout().Wait(); err != nil {
		s.t.Fatal(err)
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	defer goleak.VerifyNone(t)
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.p.Set(mailtest.Delay(4 * time.Second))
		start := time.Now()
		text, err := s.submit("agent2+x@provider.test")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, "queued as MQ") {
			t.Errorf("final reply %q has no queue id", text)
		}
		if n := s.p.Queue(); n != 1 {
			t.Errorf("queue holds %d, want 1", n)
		}
		time.Sleep(4 * time.Second)
		synctest.Wait()
		got := s.read("INBOX")
		if len(got) != 1 {
			t.Fatalf("got %d messages", len(got))
		}
		for _, want := range []string{"Return-Path: <agent1+verp@provider.test>\r\n", "with ESMTPSA id MQ", "Authentication-Results: mail.provider.test;", letter} {
			if !strings.Contains(got[0], want) {
				t.Errorf("message lacks %q:\n%s", want, got[0])
			}
		}
		hops := hopsOf(got[0])
		if len(hops) != 2 || hops[0].By != "mail.provider.test" || hops[0].With != "ESMTPSA" || hops[1].By != "store.provider.test" || hops[1].Delay != 4*time.Second {
			t.Errorf("hops: %+v", hops)
		}
		d := s.p.Deliveries()
		if len(d) != 1 || d[0].MessageID != "<tok-1@x>" || d[0].At.Sub(start) != 4*time.Second {
			t.Errorf("deliveries: %+v after %v", d, time.Since(start))
		}
	})
}

func TestIdleSeesEveryDeliveryAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		seen := make(chan time.Time, 8)
		c := imapclient.New(s.secure("imaps"), &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
			Mailbox: func(d *imapclient.UnilateralDataMailbox) {
				if d.NumMessages != nil {
					seen <- time.Now()
				}
			}}})
		defer c.Close()
		if err := c.Authenticate(sasl.NewLoginClient("agent2", "secret-2")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Select("INBOX", nil).Wait(); err != nil {
			t.Fatal(err)
		}
		idle, err := c.Idle()
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			s.p.Put("agent2", "INBOX", []byte(letter))
			put := time.Now()
			if at := <-seen; !at.Equal(put) {
				t.Errorf("seen %v late", at.Sub(put))
			}
			time.Sleep(time.Minute)
		}
		if err := idle.Close(); err != nil {
			t.Fatal(err)
		}
		if err := idle.Wait(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestRealListeners is the way in which the demo runs it.
func TestRealListeners(t *testing.T) {
	defer goleak.VerifyNone(t)
	p, err := mailtest.StartProvider(mailtest.ProviderConfig{
		SMTPS: "127.0.0.1:0", IMAPS: "127.0.0.1:0",
		Users: []mailtest.User{{Name: "a", Password: "pw"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c, err := smtp.DialTLS(p.Addr("smtps"), &tls.Config{RootCAs: p.CA(), ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(sasl.NewPlainClient("", "a", "pw")); err != nil {
		t.Fatal(err)
	}
	if err := c.SendMail("a@provider.test", []string{"a@provider.test"}, bytes.NewReader([]byte(letter))); err != nil {
		t.Fatal(err)
	}
	if err := p.SMTPDown(true); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", p.Addr("smtps")); err == nil {
		t.Error("port is open while the server is down")
	}
	if err := p.SMTPDown(false); err != nil {
		t.Fatal(err)
	}
	again, err := net.Dial("tcp", p.Addr("smtps"))
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	c.Close()
}
