package sim

import (
	"time"

	"mailquorum/agent/evidence"
)

// Phases is how the regions' schedules lie to each other.
type Phases uint8

// The phases.
const (
	PhasesSpread Phases = iota // evenly over the interval
	PhasesRandom
	PhasesSame // all within half a second
)

// Rule is what decides: the real one with the parameters of Evidence, or parts of
// it left out.
type Rule struct {
	Evidence   evidence.Params // its durations are those of the world
	Phases     Phases
	NoConfirm  bool
	NoControls bool
	Probation  bool
}

func (r *Rule) params(w *World) evidence.Params {
	p := evidence.FromTiming(w.Timing)
	q := r.Evidence
	for _, f := range []struct{ to, from *float64 }{{&p.P0, &q.P0}, {&p.P1, &q.P1}, {&p.Rho, &q.Rho}, {&p.H, &q.H}} {
		if *f.from != 0 {
			*f.to = *f.from
		}
	}
	p.Without = q.Without
	return p
}

// Options say what to simulate.
type Options struct {
	World        World
	Rule         Rule
	Regions      int      // N; default 5
	Coordinators int      // default 3
	Domains      []string // failure domain of each region; default: one each
	Network      Network
	Seed         uint64
	Years        float64               // without an outage, to count false pages
	Outages      int                   // trials of each kind
	Kinds        []Kind                // default: the world's
	Degraded     bool                  // vote on that too
	Liars        int                   // regions that always vote down
	Dead         int                   // regions that are silent
	Lasts        time.Duration         // a trial is over this long after its onset (its end, with Ends); default 1 h
	Ends         time.Duration         // outages last this long, and it is watched how they are closed; 0: they do not end
	Progress     func(done, total int) // called now and then; may be nil

	learned []byte // what the routes know when a life begins
	cluster *cluster
}
