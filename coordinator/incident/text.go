package incident

import (
	"fmt"
	"strings"
	"time"

	"mailquorum/coordinator/verdict"
	"mailquorum/internal/report"
)

// text says in plain English what happened to the certified subject.
func (m *Machine) text(k NoticeKind, now time.Time, v verdict.Verdict) string {
	service := m.s.Record.Subject.Service()
	bad, good := "down", "works again"
	if m.question == report.Degraded {
		bad, good = "slow", "is as fast as usual again"
	}
	switch k {
	case NoticeOpened:
		t := fmt.Sprintf("%s is %s: %d of %d regions agree (%d needed). %s", service, bad, v.Down, v.N, v.Q, m.since(now))
		if m.s.Relapses > 0 {
			t += fmt.Sprintf(" It was closed %s ago and is intermittent: it must now stay up for %s.", lasted(now.Sub(m.s.Closed)), lasted(m.Hold()))
		}
		return t
	case NoticeReopened:
		return fmt.Sprintf("%s is %s again: %d of %d regions agree. It is the same incident, now intermittent: it must stay up for %s.%s",
			service, bad, v.Down, v.N, lasted(m.Hold()), account(m.s.Count))
	case NoticeRecovering:
		return fmt.Sprintf("%s %s in %d of %d regions, %s after the first failure.%s", service, good, v.Up, v.N,
			lasted(now.Sub(m.s.Onset)), account(m.s.Count))
	case NoticeClosed:
		return m.closedText(now, v)
	}
	return ""
}

func (m *Machine) closedText(now time.Time, v verdict.Verdict) string {
	service := m.s.Record.Subject.Service()
	t := fmt.Sprintf("The incident of %s is over", service)
	switch {
	case m.s.Told <= Genesis(m.roster):
		t += ": it belongs to an older version of the roster."
	case v.Up == 0:
		t += ", as another coordinator proved."
	default:
		t += fmt.Sprintf(": %d of %d regions agree.", v.Up, v.N)
	}
	if !m.s.Recovered.IsZero() && !m.s.Onset.IsZero() {
		t += fmt.Sprintf(" First recovery after %s, closed after %s.", lasted(m.s.Recovered.Sub(m.s.Onset)), lasted(now.Sub(m.s.Onset)))
	} else if !m.s.Onset.IsZero() {
		t += fmt.Sprintf(" Closed after %s.", lasted(now.Sub(m.s.Onset)))
	}
	return t + account(m.s.Count)
}

func (m *Machine) since(now time.Time) string {
	if m.s.Onset.IsZero() {
		return "The first failure is not known."
	}
	return fmt.Sprintf("First failure at %s, %s ago.", m.s.Onset.UTC().Format("2006-01-02 15:04:05 MST"), lasted(now.Sub(m.s.Onset)))
}

// account says what became of the canaries.
func account(c report.Count) string {
	if c.Sent == 0 {
		return ""
	}
	parts := []string{fmt.Sprintf("%d lost of %d sent", c.Lost, c.Sent), fmt.Sprintf("%d late", c.Late)}
	for _, p := range []struct {
		n    uint32
		what string
	}{{c.Failed, "refused or bounced"}, {c.Pending, "under way"}, {c.Unknown, "unknown"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return " Canaries: " + strings.Join(parts, ", ") + "."
}

// episodeText says what happened to a subject without certificate.
func episodeText(n Notice, v verdict.Verdict) string {
	service := n.Subject.Service()
	down := names(downRegions(v))
	switch n.Kind {
	case NoticeRegional:
		why := fmt.Sprintf("%d are needed for an outage", v.Q)
		if c := v.Caveat(); c != "" {
			why = c + ", so it is no outage"
		}
		return fmt.Sprintf("%s fails in %s since %s: %d of %d regions; %s. Nobody is paged.",
			service, down, lasted(n.At.Sub(n.Onset)), v.Down, v.N, why)
	case NoticeRegionalOver:
		if v.Opens() {
			return fmt.Sprintf("%s fails in %d of %d regions: no longer regional, but an outage.", service, v.Down, v.N)
		}
		return fmt.Sprintf("%s works again in all regions that can tell (%d of %d).", service, v.Up, v.N)
	case NoticeBlind:
		t := fmt.Sprintf("The monitor is blind for %s: for %s only %d of %d regions can tell, %d are needed; %d abstain, %d are silent or unsettled.",
			service, lasted(n.At.Sub(n.Onset)), v.CanTell(), v.N, v.Q, v.Abstain, v.Silent)
		if v.Failing > 0 {
			t += fmt.Sprintf(" Canaries fail in %d regions: look at the provider too.", v.Failing)
		}
		return t
	case NoticeBlindOver:
		return fmt.Sprintf("The monitor sees %s again: %d of %d regions can tell.", service, v.CanTell(), v.N)
	case NoticeOpened:
		return fmt.Sprintf("%s refuses the monitor's own account in %s since %s: credentials, quota or throttling, not an outage. While it lasts they may not see one.",
			service, down, lasted(n.At.Sub(n.Onset)))
	case NoticeClosed:
		return fmt.Sprintf("%s accepts the monitor's accounts again.", service)
	}
	return ""
}

// lasted writes a duration to the second, or to the minute from an hour on.
func lasted(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour && d%time.Minute < time.Second:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < time.Hour:
		return fmt.Sprintf("%dm %ds", d/time.Minute, d%time.Minute/time.Second)
	case d%time.Hour < time.Minute:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dh %dm", d/time.Hour, d%time.Hour/time.Minute)
}
