//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mailquorum/internal/api"
	"mailquorum/probes"
)

// TestLine plays the whole line on one cluster: every part begins where all is
// well, and leaves it to the next to mend what it broke.
func TestLine(t *testing.T) {
	c := startCluster(t)
	for _, part := range []struct {
		name string
		play func(*scene)
	}{
		{"healthy", healthy},
		{"hold", hold},
		{"reject", reject},
		{"smtp-down", smtpDown},
		{"imap-down", imapDown},
		{"drop", drop},
		{"dup", dup},
		{"junk", junk},
		{"agent-killed", agentKilled},
		{"coordinator-killed", coordinatorKilled},
		{"agent-cut-off", agentCutOff},
		{"check", checkCommand},
		{"ask", askCommands},
		{"reload", reload},
		{"secrets", secrets}, // after all that might give one away
		{"stop", stopAll},
	} {
		t.Run(part.name, func(t *testing.T) { part.play(c.enter(t)) })
	}
}

// Healthy for a while: canaries arrive, every region votes up, nobody is called.
func healthy(s *scene) {
	s.atLeast(3*float64(len(regions)), "delivered")
	s.none("failed", "auth_failed", "policy", "late", "junked", "bounced", "lost", "unknown")
	s.quiet()
	for _, coord := range s.coords {
		if l, err := s.light(coord); err != nil || !allUp(l) {
			s.Errorf("%s shows %s: %s (%v)", coord, l.State, opinions(l), err)
		}
	}
	for _, agent := range s.agents {
		if n, err := s.metric(agent, "mailquorum_canary_latency_seconds_count"); n == 0 || err != nil {
			s.Errorf("%s has measured no latency (%v)", agent, err)
		}
	}
}

// The queue stands still, beyond the deadline: drought, and an outage before
// anything is lost. Then it moves: what was called lost is late, and nothing is.
func hold(s *scene) {
	s.set(s, "hold")
	in := s.outage()
	if !strings.Contains(in.Drawing, "overdue") {
		s.Errorf("it is no drought:\n%s", in.Drawing)
	}
	s.none("lost", "failed")
	s.atLeast(5, "lost") // as far as anyone can tell: the deadline has passed
	s.onePage(in, 0)
	s.set(s, "release")
	s.everywhere("recovering", func(in api.Incident) string {
		if in.Recovering.IsZero() {
			return in.State
		}
		return ""
	})
	end := s.over(in)
	if late := s.since("late"); late < 5 {
		s.Errorf("%v canaries late, want those that were called lost at least (%s)", late, s.account())
	}
	for _, coord := range s.coords {
		in, err := s.incident(coord, "outage", s.began)
		if err != nil || in.Count.Lost != 0 || in.Count.Late == 0 || in.Count.Sent == 0 {
			s.Errorf("%s counts %+v (%v), want no loss and some late", coord, in.Count, err)
		}
	}
	if text := s.closing(s.coords[0], end); !strings.Contains(text, "0 lost of ") {
		s.Errorf("the close does not say that nothing was lost: %q", text)
	}
}

// 550 5.7.1 is policy: counted, a matter of our own account, and no outage.
func reject(s *scene) {
	s.set(s, "reject")
	s.atLeast(2*float64(len(regions)), "policy")
	s.none("failed", "lost", "late")
	s.set(s, "normal")
	s.quiet()
}

// The submission ports are closed.
func smtpDown(s *scene) {
	s.set(s, "smtp-down")
	in := s.outage()
	if !strings.Contains(in.Drawing, "unreachable") {
		s.Errorf("not unreachable:\n%s", in.Drawing)
	}
	s.atLeast(5, "failed")
	s.set(s, "smtp-up")
	end := s.over(in)
	s.none("lost")
	if end.Count.Failed == 0 || end.Count.Lost != 0 {
		s.Errorf("the incident counts %+v, want failures and no loss", end.Count)
	}
}

// The mailboxes cannot be read: an outage of the read side. Nobody looked, so
// nothing is lost, and in the end everything is found.
func imapDown(s *scene) {
	s.set(s, "imap-down")
	in := s.outage()
	if !strings.Contains(in.Drawing, "retrieve") {
		s.Errorf("not the read side:\n%s", in.Drawing)
	}
	time.Sleep(22 * time.Second) // longer than the deadline of what was sent before
	s.none("lost")
	s.set(s, "imap-up")
	end := s.over(in)
	s.none("lost", "failed", "unknown")
	if end.Count.Lost != 0 {
		s.Errorf("the incident counts %+v, want no loss", end.Count)
	}
}

// The provider throws mail away: lost, and said so.
func drop(s *scene) {
	s.set(s, "drop")
	in := s.outage()
	s.atLeast(5, "lost")
	s.set(s, "normal")
	end := s.over(in)
	for _, coord := range s.coords {
		in, err := s.incident(coord, "outage", s.began)
		if err != nil || in.Count.Lost == 0 {
			s.Errorf("%s counts %+v (%v), want the loss", coord, in.Count, err)
		}
	}
	if text := s.closing(s.coords[0], end); !strings.Contains(text, fmt.Sprintf("%d lost of %d sent", end.Count.Lost, end.Count.Sent)) || end.Count.Lost == 0 {
		s.Errorf("the close does not tell the loss: %q, %+v", text, end.Count)
	}
	s.none("late")
}

// Two copies of each mail.
func dup(s *scene) {
	s.set(s, "dup")
	within(s.T, patience, "ten second copies", func() string {
		if n := s.total(s.T, "mailquorum_canary_duplicates_total") - s.copies; n < 10 {
			return fmt.Sprintf("%v copies", n)
		}
		return ""
	})
	s.set(s, "normal")
	s.none("failed", "late", "lost", "unknown")
	s.quiet()
}

// Everything goes to the junk folder.
func junk(s *scene) {
	s.set(s, "junk")
	s.atLeast(2*float64(len(regions)), "junked")
	s.set(s, "normal")
	s.none("failed", "late", "lost", "unknown")
	s.quiet()
}

// An agent dies with mail in flight, and finds it when it is there again.
func agentKilled(s *scene) {
	const agent = "agent-2"
	d := s.nodes[agent]
	s.set(s, "hold", "agent2")
	within(s.T, patience, "three canaries in flight", func() string {
		if n, err := s.metric(agent, "mailquorum_canaries_pending"); n < 3 || err != nil {
			return fmt.Sprintf("%v (%v)", n, err)
		}
		return ""
	})
	d.kill()
	killed := time.Now()
	flying := s.unfinished(agent)
	if len(flying) < 3 {
		s.Fatalf("the journal of %s has %d canaries in flight", agent, len(flying))
	}
	if err := d.start(); err != nil {
		s.Fatal(err)
	}
	within(s.T, patience, agent+" follows them again", func() string {
		if n, err := s.metric(agent, "mailquorum_canaries_pending"); int(n) < len(flying) || err != nil {
			return fmt.Sprintf("%v of %d (%v)", n, len(flying), err)
		}
		return ""
	})
	s.set(s, "release", "agent2")
	within(s.T, patience, "they arrive", func() string {
		n, err := s.metric(agent, "mailquorum_canaries_pending")
		if age, _ := s.metric(agent, "mailquorum_oldest_pending_seconds"); age >= time.Since(killed).Seconds() || err != nil {
			return fmt.Sprintf("%v in flight, the oldest for %.1f s (%v)", n, age, err)
		}
		return ""
	})
	views, err := s.get(agent, "/debug/routes")
	if err != nil || !strings.Contains(views, `"route":"inbound"`) {
		s.Errorf("%s /debug/routes: %v %s", agent, err, views)
	}
	if code := d.stop(); code != 0 {
		s.Errorf("%s ended with exit code %d", agent, code)
	}
	for id, c := range s.journal(agent) {
		// An intent that the kill cut short may never have left: nothing is known of it.
		cut := c.Outcome == probes.Unknown && c.Accepted.IsZero() && c.Sent.Before(killed)
		if _, ok := flying[id]; ok && !c.Outcome.Arrived() && !cut {
			s.Errorf("canary %v was in flight, and is %s", id, c.Outcome)
		}
		delete(flying, id)
		if c.Outcome == probes.Lost && c.Sent.After(s.began) || c.Outcome == probes.Unknown && !cut {
			s.Errorf("canary %v, sent %v, is %s", id, c.Sent, c.Outcome)
		}
	}
	if len(flying) != 0 {
		s.Errorf("%d canaries are not in the journal any more", len(flying))
	}
	s.quiet()
}

// One agent cannot reach the provider, then nobody can reach it: one region is
// no outage.
func agentCutOff(s *scene) {
	agent := s.agents[len(s.agents)-1]
	region := regions[len(regions)-1].name
	for _, p := range s.proxies {
		p.cut(true)
	}
	within(s.T, patience, region+" votes down, alone", func() string {
		for _, coord := range s.coords {
			l, err := s.light(coord)
			if err != nil || l.State != api.Regional || !strings.HasSuffix(opinions(l), "up up up up down") {
				return fmt.Sprintf("%s shows %s: %s (%v)", coord, l.State, opinions(l), err)
			}
		}
		return ""
	})
	within(s.T, patience, "the regional notice", func() string {
		for _, coord := range s.coords {
			if in, err := s.incident(coord, "regional", s.began); in.State != "open" || err != nil || !strings.Contains(in.Drawing, region) {
				return fmt.Sprintf("%s: %s %s (%v)", coord, in.ID, in.State, err)
			}
		}
		return ""
	})
	s.nodes[agent].signal(19) // SIGSTOP
	within(s.T, patience, region+" is silent", func() string {
		for _, coord := range s.coords {
			l, err := s.light(coord)
			if err != nil || !strings.HasSuffix(opinions(l), "up up up up -") {
				return fmt.Sprintf("%s shows %s: %s (%v)", coord, l.State, opinions(l), err)
			}
		}
		return ""
	})
	time.Sleep(22 * time.Second) // longer than Timing.Regional
	s.quiet()
}
