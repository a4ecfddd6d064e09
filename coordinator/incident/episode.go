package incident

import (
	"strings"
	"time"

	"mailquorum/coordinator/verdict"
	"mailquorum/internal/report"
)

// episode is a spell of something that needs no certificate: each coordinator
// sees it by itself. Its number only names its notices.
type episode struct {
	Epoch uint64    `json:"epoch,omitempty"` // of the newest
	Open  bool      `json:"open,omitempty"`
	Onset time.Time `json:"onset,omitzero"` // beginning of the newest

	since time.Time // since when it is so, or is over while Open
}

// step tells of the episode once it has lasted for after, and of its end once it
// has been over for hold. It returns +1 when it begins, -1 when it ends.
func (e *episode) step(now time.Time, is, over bool, after, hold time.Duration) int {
	counts := is
	if e.Open {
		counts = over
	}
	if !counts {
		e.since = time.Time{}
		return 0
	}
	if e.since.IsZero() {
		e.since = now
	}
	switch {
	case !e.Open && now.Sub(e.since) >= after:
		e.Open, e.Epoch, e.Onset, e.since = true, e.Epoch+1, e.since, time.Time{}
		return +1
	case e.Open && now.Sub(e.since) >= hold:
		e.end()
		return -1
	}
	return 0
}

// over is how many episodes have ended: what is gossiped, so that two coordinators
// that see one begin at about the same time number it alike.
func (e *episode) over() uint64 {
	if e.Open {
		return e.Epoch - 1
	}
	return e.Epoch
}

func (e *episode) end() { e.Open, e.since = false, time.Time{} }

// regional watches for trouble of a minority: a ticket, never a page. Once the
// outage is open that says it all.
func (m *Machine) regional(now time.Time, v verdict.Verdict) []Notice {
	e := &m.s.Regional
	change := 0
	switch {
	case m.s.Record.Open() && e.Open:
		e.end()
		change = -1
	case m.s.Record.Open():
		e.since = time.Time{}
	case v.Blind() && !e.Open && !e.since.IsZero():
		// Nobody can tell whether it is over.
	default:
		change = e.step(now, v.State == verdict.Regional, v.State == verdict.Up, m.timing.Regional, m.timing.CloseHold)
	}
	return m.tell(e, change, Regional, NoticeRegional, NoticeRegionalOver, false, now, v)
}

// blind watches for a monitor that cannot tell: a page under a key of its own,
// sooner when the canaries of a quorum of regions fail. It is none where regions
// cannot tell because their own account is refused: that has its ticket.
func (m *Machine) blind(now time.Time, v verdict.Verdict) []Notice {
	if v.Failing < v.Q || !v.Blind() {
		m.s.failingSince = time.Time{}
	} else if m.s.failingSince.IsZero() {
		m.s.failingSince = now
	}
	after := m.timing.Blind
	if f := m.s.failingSince; !f.IsZero() && now.Sub(f) >= m.timing.Blind*3/10 {
		after = m.timing.Blind * 3 / 10
	}
	e := &m.s.Blind
	unexplained := v.Blind() && v.CanTell()+v.OwnAccount < v.Q
	change := e.step(now, unexplained, !v.Blind(), after, m.timing.CloseHold)
	return m.tell(e, change, Blind, NoticeBlind, NoticeBlindOver, true, now, v)
}

// account watches the votes about our own credentials and quotas: one region is
// enough for a ticket, for each has its own.
func (m *Machine) account(now time.Time, v verdict.Verdict) []Notice {
	e := &m.s.Account
	change := e.step(now, v.Down > 0, v.Down == 0, m.timing.Regional, m.timing.CloseHold)
	return m.tell(e, change, Account, NoticeOpened, NoticeClosed, false, now, v)
}

// tell makes the notice of an episode that changed.
func (m *Machine) tell(e *episode, change int, kind string, begin, end NoticeKind, page bool, now time.Time, v verdict.Verdict) []Notice {
	if change == 0 {
		return nil
	}
	s := Subject(kind + "/" + m.s.Record.Subject.Service())
	n := Notice{Kind: begin, Subject: s, Epoch: e.Epoch, Key: Key(m.roster.Cluster, s, e.Epoch), At: now, Onset: e.Onset,
		Drawing: v.Describe(), Count: report.Count{}, Page: page}
	if change < 0 {
		n.Kind = end
	}
	n.Text = episodeText(n, v)
	return []Notice{n}
}

// names lists regions as people do: "a", "a and b", "a, b and c".
func names(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}
