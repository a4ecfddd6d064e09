package submit

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"mailquorum/probes"
	"mailquorum/probes/mailtest"
)

// Bug 1 of other probers: a mail that is delivered but answered 451 deadlocks one
// of them for ever. Here it is ambiguous at once, and the mail is found.
func TestBug1DeliveredButAnswered451(t *testing.T) {
	for name, mode := range map[string]mailtest.Mode{"451": mailtest.DeferDelivered, "cut": mailtest.CutAfterData} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newSite(t)
				s.p.Set(mode)
				began := time.Now()
				_, err := send(t, t.Context(), s.cfg)
				if err == nil || err.Outcome != probes.Ambiguous || err.Stage != probes.StageData {
					t.Errorf("want ambiguous at data, got %v", err)
				}
				if took := time.Since(began); took > quitGrace {
					t.Errorf("took %v", took)
				}
				time.Sleep(time.Minute)
				if n, _ := s.p.Count("agent2", "INBOX"); n != 1 {
					t.Errorf("%d mails arrived: the scene is not what it says", n)
				}
			})
		})
	}
}

// Bug 2: a 550 at the end of DATA counted as sent; a connection lost after MAIL
// FROM made one prober panic.
func TestBug2RefusedAfterTheMessageIsNotSent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(t)
		s.p.Set(mailtest.RejectData)
		res, err := send(t, t.Context(), s.cfg)
		if err == nil || err.Outcome.Accepted() || !res.Accepted.IsZero() || res.QueueID != "" {
			t.Errorf("counted as sent: %+v, %v", res, err)
		}
		if res.Reply.Code != 550 {
			t.Errorf("the reply is not kept: %+v", res.Reply)
		}
	})
	inBubble(t, func(t *testing.T) {
		s := newSite(t)
		s.p.Set(mailtest.Slow(10 * time.Second)) // and in that time the connection is lost
		time.AfterFunc(5*time.Second, func() { s.p.SMTPDown(true) })
		_, err := send(t, t.Context(), s.cfg)
		if err == nil || err.Stage != probes.StageEnvelope || err.Outcome != probes.Failed {
			t.Errorf("lost after MAIL FROM: %v", err)
		}
	})
}

// Bug 5: a login was reported as successful although the dial had failed, since
// the prober looked for the word "login" in the error.
func TestBug5FailedDialIsNoLogin(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(t)
		s.cfg.Dial = func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("535 login: authentication successful, 250 ok, too many, 5.7.1")
		}
		res, err := send(t, t.Context(), s.cfg)
		if err == nil || err.Outcome != probes.Failed || err.Stage != probes.StageConnect || len(res.Timings) != 0 {
			t.Errorf("want failed at connect with no stage passed, got %v and %v", err, res.Timings)
		}
	})
}

// Bug 8: time-outs were observed into the latency histogram.
func TestBug8TimeOutIsNoLatency(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(t)
		s.p.Set(mailtest.Slow(time.Hour))
		res, err := send(t, t.Context(), s.cfg)
		if err == nil || err.Stage != probes.StageEnvelope {
			t.Fatal(err)
		}
		for _, x := range res.Timings { // checkResult has looked for the stage that failed
			if x.Duration >= s.cfg.Timeout {
				t.Errorf("%v took %v", x.Stage, x.Duration)
			}
		}
	})
}
