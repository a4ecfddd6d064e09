package incident

import (
	"errors"
	"time"

	"mailquorum/coordinator/verdict"
	"mailquorum/internal/report"
	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
)

// The states of a Machine. It has none ("") until something was opened.
const (
	StateOpen       = "open"
	StateRecovering = "recovering"
	StateClosed     = "closed"
)

// maxHold bounds the close hold, in multiples of Timing.CloseHold.
const maxHold = 15

// Machine is one coordinator's life of one subject: it opens and closes epochs by
// certificates, its own or another's, with hysteresis, and says once what people
// may have to be told. That of an outage also watches for regional trouble and
// for blindness, as subjects of their own. It is not safe for concurrent use.
type Machine struct {
	roster   *roster.Roster
	timing   roster.Timing
	question report.Question
	s        state
}

// state is what survives a restart.
type state struct {
	Record Record `json:"record"`
	Roster []byte `json:"roster"` // hash of the roster that Record is of

	Told       uint64       `json:"told,omitempty"`       // newest epoch whose opened notice was given
	Ended      uint64       `json:"ended,omitempty"`      // newest epoch whose closed notice was given
	Opened     time.Time    `json:"opened,omitzero"`      // when Told was
	Onset      time.Time    `json:"onset,omitzero"`       // of Told
	Recovered  time.Time    `json:"recovered,omitzero"`   // first recovery of Told
	Closed     time.Time    `json:"closed,omitzero"`      // when the newest epoch was closed
	Recovering bool         `json:"recovering,omitempty"` //
	Relapses   int          `json:"relapses,omitempty"`   // how often it came back: each doubles the close hold
	Count      report.Count `json:"count,omitzero"`       // newest account of Told

	LastDown map[string]time.Time `json:"last_down,omitempty"` // regions that voted down when they were last heard

	Regional episode `json:"regional,omitzero"`
	Blind    episode `json:"blind,omitzero"`
	Account  episode `json:"account,omitzero"`

	// What a restart must begin again, for nobody watched meanwhile.
	holdSince    time.Time       // since when the up votes suffice to close
	backSince    time.Time       // since when it recovers
	drained      map[string]bool // regions of which no mail was under way at some time since recovery
	lost         uint32          // newest number of lost canaries
	lostSince    time.Time       // since when it is that
	failingSince time.Time       // since when a quorum of regions has failing canaries
	unproven     error           // why the newest quorum could not be certified
}

// NewMachine returns the machine of a subject to which nothing happened yet:
// "outage/<service>", "degraded/<service>" or "account/<service>".
func NewMachine(ro *roster.Roster, s Subject) *Machine {
	q, _ := s.question()
	m := &Machine{roster: ro, timing: ro.Timing.WithDefaults(), question: q}
	hash := ro.Hash()
	m.s = state{Record: NewRecord(ro, s), Roster: hash[:], LastDown: map[string]time.Time{}, drained: map[string]bool{}}
	return m
}

// Subject is what the machine is about.
func (m *Machine) Subject() Subject { return m.s.Record.Subject }

// Record is what to gossip.
func (m *Machine) Record() Record {
	r := m.s.Record
	r.Blinds, r.Regionals, r.Accounts = m.s.Blind.over(), m.s.Regional.over(), m.s.Account.over()
	return r
}

// State is "", "open", "recovering" or "closed".
func (m *Machine) State() string {
	switch {
	case m.question == report.Account && m.s.Account.Open:
		return StateOpen
	case m.question == report.Account && m.s.Account.Epoch > 0:
		return StateClosed
	case m.s.Told > m.s.Ended && m.s.Recovering:
		return StateRecovering
	case m.s.Told > m.s.Ended:
		return StateOpen
	case m.s.Record.Closed > Genesis(m.roster):
		return StateClosed
	}
	return ""
}

// Intermittent reports whether the newest incident came back: while recovering,
// or within Timing.Reopen of its close.
func (m *Machine) Intermittent() bool { return m.s.Relapses > 0 }

// Hold is how long the up votes must last before the incident closes: CloseHold,
// doubled by each relapse, at most 15 times as long.
func (m *Machine) Hold() time.Duration {
	return m.timing.CloseHold * time.Duration(min(1<<max(0, min(m.s.Relapses, 4)), maxHold))
}

// Unproven is why the newest step could not open or close though a quorum of
// regions agreed; nil when nothing stood in the way.
func (m *Machine) Unproven() error { return m.s.unproven }

// Step takes a verdict, tallied for Record().Epoch(), and returns what is new, in
// order. A verdict on another question, service or epoch changes nothing.
func (m *Machine) Step(now time.Time, v verdict.Verdict) []Notice {
	s := m.s.Record.Subject
	if v.Question != m.question || v.Service != s.Service() || v.N == 0 {
		return nil
	}
	if m.question == report.Account {
		return m.account(now, v)
	}
	if v.Epoch != m.s.Record.Epoch() {
		return nil
	}
	m.s.unproven = nil
	out := m.supersede(now, v)
	m.remember(now, v)
	switch { // one that is blind neither opens nor has a quorum up
	case !m.s.Record.Open():
		if v.Opens() {
			out = append(out, m.open(now, v)...)
		}
	case v.Opens():
		out = append(out, m.relapse(now, v)...)
	case v.Up >= v.Q:
		out = append(out, m.recover(now, v)...)
	default:
		m.s.holdSince = time.Time{}
	}
	if m.question == report.Outage {
		out = append(out, m.regional(now, v)...)
		out = append(out, m.blind(now, v)...)
	}
	return out
}

// remember notes which regions are down, so that one that falls silent while
// down counts as down for Timing.Linger.
func (m *Machine) remember(now time.Time, v verdict.Verdict) {
	for _, b := range v.Ballots {
		switch {
		case b.Fresh && b.Vote.Opinion == vote.Down:
			m.s.LastDown[b.Region.Name] = now
		case b.Fresh && b.Vote.Opinion != vote.Unsettled, now.Sub(m.s.LastDown[b.Region.Name]) > m.timing.Linger:
			delete(m.s.LastDown, b.Region.Name)
		}
	}
	if m.s.Record.Open() {
		m.s.Count = v.Count
	}
}

var errUnproven = errors.New("no certificate yet: the regions that agree have not heard each other lately, or their reports are too large")

// open begins a new epoch, if its certificate proves it.
func (m *Machine) open(now time.Time, v verdict.Verdict) []Notice {
	cert, ok := v.Certificate(vote.Down)
	if !ok {
		m.s.unproven = errUnproven
		return nil
	}
	r := m.s.Record
	r.Opened, r.Down, r.Up = r.Closed+1, cert, verdict.Certificate{}
	r.Onset = onset(v, cert.Spoken(), m.timing.Linger)
	if err := r.Verify(m.roster); err != nil {
		m.s.unproven = err
		return nil
	}
	m.s.Record = r
	return []Notice{m.tellOpened(now, v)}
}

// relapse takes down votes while the incident is open.
func (m *Machine) relapse(now time.Time, v verdict.Verdict) []Notice {
	m.s.holdSince = time.Time{}
	if !m.s.Recovering {
		return nil
	}
	m.s.Recovering = false
	m.s.Relapses++
	clear(m.s.drained)
	return []Notice{m.notice(NoticeReopened, now, v)}
}

// recover takes up votes of a quorum while the incident is open.
func (m *Machine) recover(now time.Time, v verdict.Verdict) []Notice {
	var out []Notice
	if !m.s.Recovering {
		m.s.Recovering = true
		if m.s.Recovered.IsZero() {
			m.s.Recovered = now
		}
		m.s.backSince = time.Time{}
		out = append(out, m.notice(NoticeRecovering, now, v))
	}
	drained := m.drain(now, v)
	if m.downOrSilent(v) > max(0, v.N-v.Q-1) {
		m.s.holdSince = time.Time{}
		return out
	}
	if m.s.holdSince.IsZero() {
		m.s.holdSince = now
	}
	if !drained || now.Sub(m.s.holdSince) < m.Hold() {
		return out
	}
	cert, ok := v.CertificateAfter(m.roster, vote.Up, m.s.Record.Down)
	if !ok {
		m.s.unproven = errUnproven
		return out
	}
	r := m.s.Record
	r.Closed, r.Up = r.Opened, cert
	if err := r.Verify(m.roster); err != nil {
		m.s.unproven = err
		return out
	}
	m.s.Record = r
	return append(out, m.tellClosed(now, v))
}

// drain reports whether the mail of the outage is accounted for. A canary sent
// after the recovery is under way for seconds, so there is nearly always one: a
// region's backlog is gone once none of its mail was under way at some moment, or
// long after all that was sent before the recovery has passed its deadline. Lost
// canaries may still come, as late ones: while their number changes the backlog is
// being delivered. Both are given Timing.Linger, and at least Timing.Deadline.
func (m *Machine) drain(now time.Time, v verdict.Verdict) bool {
	if m.s.backSince.IsZero() {
		m.s.backSince = now
		clear(m.s.drained)
		m.s.lost, m.s.lostSince = v.Count.Lost, now
	}
	if v.Count.Lost != m.s.lost {
		m.s.lost, m.s.lostSince = v.Count.Lost, now
	}
	patience := max(m.timing.Deadline, m.timing.Linger)
	all := m.s.lost == 0 || now.Sub(m.s.lostSince) >= patience
	past := now.Sub(m.s.backSince) >= patience+m.timing.Interval
	for _, b := range v.Ballots {
		if !b.Fresh {
			continue
		}
		if b.Count.Pending == 0 {
			m.s.drained[b.Region.Name] = true
		}
		all = all && (past || m.s.drained[b.Region.Name])
	}
	return all
}

// downOrSilent is how many regions stand against closing: those down, whatever
// epoch they vote on, and those that fell silent or lost their opinion while down.
func (m *Machine) downOrSilent(v verdict.Verdict) int {
	n := 0
	for _, b := range v.Ballots {
		if _, ok := m.s.LastDown[b.Region.Name]; ok {
			n++
		}
	}
	return n
}
