package submit

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mailquorum/probes"
	"mailquorum/probes/mailtest"
)

// keptSite is a sender to a provider, with a count of its connections.
type keptSite struct {
	*site
	sender *Sender
	dials  atomic.Int32
}

func newKeptSite(t *testing.T, keep Keep) *keptSite {
	t.Helper()
	k := &keptSite{site: newSite(t)}
	dial := k.cfg.Dial
	k.cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		k.dials.Add(1)
		return dial(ctx, network, address)
	}
	k.sender = NewSender(k.site.cfg, keep)
	t.Cleanup(func() { k.sender.Close() })
	return k
}

// send submits one message, and checks whether it went over a kept connection.
func (k *keptSite) send(t *testing.T, reused bool) (Result, *probes.Error) {
	t.Helper()
	var told []probes.Timing
	res, err := k.sender.Send(t.Context(), message, func(x probes.Timing) { told = append(told, x) })
	checkResult(t, k.site.cfg, res, err, told)
	if res.Reused != reused {
		t.Errorf("reused: %v, want %v (%v)\n%s", res.Reused, reused, err, res.Dialogue)
	}
	if err == nil && reused && (len(res.Timings) != 2 || !res.TLS.Verified || res.Server == "") {
		t.Errorf("over a kept connection: %+v", res)
	}
	if err == nil {
		return res, nil
	}
	return res, err.(*probes.Error)
}

func (k *keptSite) arrived(t *testing.T, want int) {
	t.Helper()
	time.Sleep(time.Second)
	if n, _ := k.p.Count("agent2", "INBOX"); n != want {
		t.Errorf("%d mails arrived, want %d", n, want)
	}
}

func TestAConnectionIsKept(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKeptSite(t, Keep{})
		for i := range 10 {
			if _, err := k.send(t, i > 0); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		k.arrived(t, 10)
		if n := k.dials.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestAKeptConnectionIsNotKeptForEver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKeptSite(t, Keep{Idle: time.Minute, Messages: 3})
		for i := range 7 {
			k.send(t, i%3 != 0)
		}
		time.Sleep(61 * time.Second)
		k.send(t, false)
		if n := k.dials.Load(); n != 4 {
			t.Errorf("%d connections", n)
		}
		k.arrived(t, 8)
	})
}

// A rejected message leaves nothing behind for the next one, and a session with
// several rejections is not used again.
func TestRejectionsOnAKeptConnection(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKeptSite(t, Keep{})
		k.send(t, false)
		for range maxRefusals {
			k.p.Set(mailtest.Reject)
			if _, err := k.send(t, true); err == nil || err.Outcome != probes.Policy || err.Stage != probes.StageEnvelope {
				t.Errorf("want a rejection, got %v", err)
			}
			k.p.Set(mailtest.Normal)
		}
		if _, err := k.send(t, false); err != nil {
			t.Error(err)
		}
		k.p.Set(mailtest.RejectData)
		k.send(t, true)
		k.p.Set(mailtest.Normal)
		if _, err := k.send(t, true); err != nil {
			t.Error(err)
		}
		k.arrived(t, 3)
	})
}

// A kept connection that has died in its sleep is nobody's failure.
func TestADeadKeptConnectionIsReplaced(t *testing.T) {
	for name, die := range map[string]func(*keptSite){
		"the server hung up": func(k *keptSite) { k.p.SMTPDown(true); k.p.SMTPDown(false) },
		"a NAT forgot it": func(k *keptSite) { // for longer than the sender asks whether somebody is there
			k.net.Cut("agent.test", host, true)
			time.AfterFunc(4*time.Second, func() { k.net.Cut("agent.test", host, false) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				k := newKeptSite(t, Keep{})
				k.site.cfg.Timeout, k.sender.cfg.Timeout = 12*time.Second, 12*time.Second
				k.send(t, false)
				time.Sleep(time.Minute)
				die(k)
				if _, err := k.send(t, false); err != nil {
					t.Error(err)
				}
				k.arrived(t, 2)
			})
		})
	}
}

// Words that a server says before it hangs up on an idle client are no answer to
// the next message.
func TestA421InTheIdleTimeIsNoAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n, ca := mailtest.NewNetwork(), newCA(t)
		cfg := Config{Address: host + ":25", TLS: Plain, From: "agent1@provider.test", To: "agent2@provider.test",
			Hello: "eu-west.canary.test", Dial: n.Dial("agent.test")}
		done, err := serve(n, ca, cfg.Address, []string{"greet", "envelope", "message", "S 250 ok", "sleep 1m", "S 421 4.4.2 idle for too long"})
		if err != nil {
			t.Fatal(err)
		}
		k := NewSender(cfg, Keep{})
		if _, err := k.Send(t.Context(), message, nil); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		done, err = serve(n, ca, cfg.Address, []string{"greet", "envelope", "message", "S 250 ok", "C RSET", "S 250 ok", "envelope", "message", "S 250 ok", "quit"})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			if res, err := k.Send(t.Context(), message, nil); err != nil || res.Reused != (i == 1) {
				t.Errorf("%d: %v, reused %v", i, err, res.Reused)
			}
		}
		k.Close()
		if err := <-done; err != nil {
			t.Error("the server:", err)
		}
	})
}

// A failure on a connection that was alive a moment ago is a failure.
func TestAFailureOnAKeptConnectionCounts(t *testing.T) {
	for name, c := range map[string]struct {
		mode    mailtest.Mode
		outcome probes.Outcome
	}{
		"slow":  {mailtest.Slow(time.Hour), probes.Failed},
		"cut":   {mailtest.CutAfterData, probes.Ambiguous},
		"defer": {mailtest.DeferData, probes.Ambiguous},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				k := newKeptSite(t, Keep{})
				k.send(t, false)
				k.p.Set(c.mode)
				if _, err := k.send(t, true); err == nil || err.Outcome != c.outcome {
					t.Errorf("want %v, got %v", c.outcome, err)
				}
				k.p.Set(mailtest.Normal)
				if _, err := k.send(t, c.mode == mailtest.DeferData); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestSendersWaitForEachOther(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKeptSite(t, Keep{})
		k.p.Set(mailtest.Slow(time.Second))
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, err := k.sender.Send(t.Context(), message, nil); err != nil {
					t.Error(err)
				}
			})
		}
		boss := errors.New("no time")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 500*time.Millisecond, boss)
		defer cancel()
		time.Sleep(100 * time.Millisecond)
		if _, err := k.sender.Send(ctx, message, nil); !errors.Is(err, boss) || err.(*probes.Error).Outcome != probes.Unknown {
			t.Errorf("who does not wait: %v", err)
		}
		all.Wait()
		if n := k.dials.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
		k.sender.Close()
		if _, err := k.sender.Send(t.Context(), message, nil); err == nil || err.(*probes.Error).Outcome != probes.Unknown {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestACancelledMessageEndsTheConnection(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKeptSite(t, Keep{})
		k.send(t, false)
		k.p.Set(mailtest.Slow(time.Minute))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := k.sender.Send(ctx, message, nil); err == nil || err.(*probes.Error).Outcome != probes.Unknown {
			t.Errorf("cancelled: %v", err)
		}
		k.p.Set(mailtest.Normal)
		if _, err := k.send(t, false); err != nil {
			t.Error(err)
		}
	})
}
