package evidence

import (
	"slices"
	"time"

	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// Local asks "is it me?": one per agent. It judges each vote before it is spoken.
type Local struct {
	p     Params
	m     model
	epoch time.Time

	w       cusum         // the same statistic over the controls
	rounds  bool          // there are controls
	failing bool          // the newest round failed
	began   time.Duration // the present doubt
	failed  time.Duration // newest failing round
	passed  time.Duration // newest passing round; meaningful when well is set
	well    bool          // some round has passed

	clock, starved mark
	lonely         []time.Duration // ends of lonely down episodes
	episodes       map[string]*episode
}

type mark struct {
	on    bool
	since time.Time
}

func (m *mark) set(now time.Time, on bool) {
	if on && !m.on {
		m.since = now
	}
	m.on = on
}

type episode struct{ down, company bool }

// NewLocal returns a Local that knows of no controls and doubts nothing.
func NewLocal(p Params) *Local {
	p = p.WithDefaults()
	return &Local{p: p, m: newModel(&p, p.P0, p.P1), episodes: map[string]*episode{}}
}

func (l *Local) at(now time.Time) time.Duration {
	if l.epoch.IsZero() {
		l.epoch = now
	}
	return now.Sub(l.epoch)
}

// Controls takes one round of the control probes. It reports whether a majority
// failed: then each of the agent's routes should be told, with Route.Excuse.
// Rounds should be at most Control/4 apart. Without any round, nothing is doubted.
func (l *Local) Controls(now time.Time, passed, total int) (fault bool) {
	if total <= 0 {
		return false
	}
	n := l.at(now)
	l.rounds = true
	fault = 2*passed < total
	if fault {
		if !l.doubt(n) {
			l.began = n
		}
		l.w.bad(&l.m, n, 0)
		l.failed, l.failing = n, true
		return true
	}
	l.w.good(&l.m)
	l.passed, l.well = n, true
	if l.failing && n-l.failed >= l.p.Control {
		l.failing = false
	}
	return false
}

// doubt reports whether the controls fail, or have not yet passed for Control.
func (l *Local) doubt(n time.Duration) bool {
	return l.failing && (n-l.failed < l.p.Control || !l.well || l.passed < l.failed)
}

// Clock says whether this node's clock disagrees with half of its peers.
func (l *Local) Clock(now time.Time, bad bool) { l.clock.set(now, bad) }

// Starved says whether the process or its place in the mesh is not well.
func (l *Local) Starved(now time.Time, yes bool) { l.starved.set(now, yes) }

// Lonely records the end of an episode in which this region alone voted down.
func (l *Local) Lonely(now time.Time) {
	l.lonely = append(l.lonely, l.at(now))
	if extra := len(l.lonely) - 64; extra > 0 {
		l.lonely = slices.Delete(l.lonely, 0, extra)
	}
}

// Peers follows episodes of voting down on a service: down is the region's own
// vote before judgement, others how many other regions say the same at present.
// An episode that ends without any company was lonely.
func (l *Local) Peers(now time.Time, service string, down bool, others int) {
	e := l.episodes[service]
	if e == nil {
		if !down {
			return
		}
		e = &episode{}
		l.episodes[service] = e
	}
	switch {
	case down:
		e.down = true
		e.company = e.company || others > 0
	case e.down:
		if !e.company {
			l.Lonely(now)
		}
		*e = episode{}
	}
}

// maxLonely is how many lonely episodes in a day are forgiven.
const maxLonely = 3

func (l *Local) probation(n time.Duration) (since time.Duration, yes bool) {
	k := 0
	for i := len(l.lonely) - 1; i >= 0 && n-l.lonely[i] < l.p.day(); i-- {
		if k++; k > maxLonely {
			return l.lonely[len(l.lonely)-1], true
		}
	}
	return 0, false
}

// minExcess is by how much W must exceed the same statistic over the controls.
const minExcess = 3

// Judge returns the vote as it may be spoken. A wrong clock or a starved process
// abstains from everything. While the controls fail, until they have passed for
// Control, and where W does not exceed that of the controls by 3, a region abstains
// unless it says up. On probation it abstains from saying down. A down for want of
// a connection wants controls that passed within Control/2.
func (l *Local) Judge(now time.Time, v vote.Vote) vote.Vote {
	n := l.at(now)
	switch {
	case l.clock.on:
		return abstain(v, vote.BadClock, l.clock.since)
	case l.starved.on:
		return abstain(v, vote.Starved, l.starved.since)
	case v.Opinion == vote.Up || v.Opinion == vote.Abstain:
		return v
	case l.rounds && l.doubt(n):
		return abstain(v, vote.ControlFails, l.epoch.Add(l.began))
	case v.Opinion != vote.Down:
		return v
	case v.Weight-l.w.w < minExcess:
		return abstain(v, vote.ControlFails, now)
	case l.rounds && unreachable(v.Stage) && (!l.well || n-l.passed > l.p.Control/2):
		return abstain(v, vote.ControlFails, now)
	}
	if since, yes := l.probation(n); yes {
		return abstain(v, vote.Probation, l.epoch.Add(since))
	}
	return v
}

func unreachable(s probes.Stage) bool {
	return s == probes.StageResolve || s == probes.StageConnect || s == probes.StageTLS
}

func abstain(v vote.Vote, why vote.Reason, since time.Time) vote.Vote {
	return vote.Vote{Opinion: vote.Abstain, Reason: why, Since: since, Weight: v.Weight}
}

// Doubtful reports whether the controls fail, or have not yet passed for Control:
// a reason not to have the others probe.
func (l *Local) Doubtful(now time.Time) bool { return l.rounds && l.doubt(l.at(now)) }
