package submit

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"mailquorum/internal/secret"
	"mailquorum/probes"
	"mailquorum/probes/mailtest"
)

func TestTheEndOfTheContextEndsTheDialogue(t *testing.T) {
	boss := errors.New("the agent is stopping")
	for name, c := range map[string]struct {
		script  []string
		outcome probes.Outcome
	}{
		"before the greeting": {[]string{"gone"}, probes.Unknown},
		"in the envelope":     {[]string{"greet", "C MAIL FROM:<agent1@provider.test> BODY=8BITMIME SIZE=57", "gone"}, probes.Unknown},
		"after the message":   {[]string{"greet", "envelope", "message", "gone"}, probes.Ambiguous},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				n, ca := mailtest.NewNetwork(), newCA(t)
				cfg := Config{Address: host + ":25", TLS: Plain, From: "agent1@provider.test", To: "agent2@provider.test",
					Hello: "eu-west.canary.test", Dial: n.Dial("agent.test")}
				done, err := serve(n, ca, cfg.Address, c.script)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(5*time.Second, func() { cancel(boss) })
				began := time.Now()
				_, e := send(t, ctx, cfg)
				if e == nil || e.Outcome != c.outcome || !errors.Is(e, boss) {
					t.Errorf("want %v because %q, got %v", c.outcome, boss, e)
				}
				if took := time.Since(began); took != 5*time.Second {
					t.Errorf("took %v", took)
				}
				if err := <-done; err != nil {
					t.Error("the server:", err)
				}
			})
		})
	}
}

// The caller's deadline is the server's time-out as well as our own is.
func TestTheCallersDeadlineIsATimeOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(t)
		s.p.SMTPHang(true)
		whose := errors.New("the canary's budget is spent")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, whose)
		defer cancel()
		began := time.Now()
		_, err := send(t, ctx, s.cfg)
		if err == nil || err.Outcome != probes.Failed || !errors.Is(err, whose) || time.Since(began) != 3*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// Stage durations add up to what the clock on the wall shows, and the delay of
// each stage is in that stage.
func TestTimingsAreThoseOfTheStages(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n, ca := mailtest.NewNetwork(), newCA(t)
		cfg := Config{Address: host + ":587", TLS: STARTTLS, TLSConfig: &tls.Config{RootCAs: ca.Pool()},
			Username: "agent1", Password: secret.New("secret-agent1"), From: "agent1@provider.test", To: "agent2@provider.test",
			Hello: "eu-west.canary.test", Dial: n.Dial("agent.test")}
		cfg.Resolver = slowly{time.Millisecond, hosts{host: {host}}}
		script := []string{"sleep 2ms", "S 220 scripted", "C EHLO eu-west.canary.test", "S 250-scripted\\r\\n250 STARTTLS",
			"C STARTTLS", "sleep 4ms", "S 220 go", "tls", "hello", "C AUTH PLAIN AGFnZW50MQBzZWNyZXQtYWdlbnQx", "sleep 8ms", "S 235 ok",
			"C MAIL FROM:<agent1@provider.test> BODY=8BITMIME SIZE=57", "sleep 16ms", "S 250 ok", "C RCPT TO:<agent2@provider.test>", "S 250 ok",
			"C DATA", "S 354 go", "dot", "sleep 32ms", "S 250 ok", "quit"}
		done, err := serve(n, ca, cfg.Address, script)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		res, e := send(t, t.Context(), cfg)
		if e != nil {
			t.Fatal(e)
		}
		var sum time.Duration
		for i, x := range res.Timings {
			sum += x.Duration
			if want := time.Millisecond << i; x.Duration != want {
				t.Errorf("%v took %v, want %v", x.Stage, x.Duration, want)
			}
		}
		if res.Accepted.Sub(began) != sum || sum != 63*time.Millisecond {
			t.Errorf("the stages add up to %v, accepted after %v", sum, res.Accepted.Sub(began))
		}
		if err := <-done; err != nil {
			t.Error("the server:", err)
		}
	})
}
