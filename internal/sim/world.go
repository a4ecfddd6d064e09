package sim

import (
	"math"
	"math/rand/v2"
	"time"

	"mailquorum/internal/roster"
	"mailquorum/probes"
)

// Kind is what happens to the provider.
type Kind string

// The kinds of outage. All begin at once and for all regions, and last until the
// trial ends.
const (
	Healthy   Kind = ""
	HardFast  Kind = "hard, fails fast" // each submission fails after a second
	HardSlow  Kind = "hard, time-outs"  // after ten seconds
	Refusing  Kind = "accept failure"   // after 0.2 to 10 seconds
	Half      Kind = "half fails"       // half of the submissions fail
	Third     Kind = "30 % fails"       //
	Swallowed Kind = "silent, new mail" // accepted from now on, never delivered
	Queued    Kind = "silent queue"     // the same, and nothing under way is delivered either
	HalfLost  Kind = "50 % lost"        // half of what is accepted is never delivered
	Slow2     Kind = "2 times slower"   //
	Slow3     Kind = "3 times slower"   //
	Slow5     Kind = "5 times slower"   //
	Slow20    Kind = "20 times slower"  //
	Grid      Kind = "one grid of two"  // every second canary of a region meets a silent queue
	Rare      Kind = "2 % lost"         //
)

// World is the statistics of everything outside: the provider while it is well,
// the regions' own networks, and what the controls see of their faults. Shares and
// probabilities are per canary, times in seconds unless they have a unit.
type World struct {
	Name   string
	Timing roster.Timing

	Median, Sigma       float64 // of the lognormal latency
	TailShare, TailMean float64 // share of canaries with an exponential latency beyond TailMin
	TailMin             float64
	Loss                float64 // lost silently
	Isolated            float64 // fail for no reason,
	IsolatedAfter       float64 // after this time
	FaultsPerDay        float64 // local faults of a region
	FaultMean           float64 // their mean length
	FaultFails          float64 // share of canaries that fail in one
	FaultSilent         float64 // of these, share that is lost silently
	FaultMin, FaultMax  float64 // time after which the others fail, uniform
	FaultTwo            bool    // that time is one of the two instead
	Detected            float64 // share of the faults that the controls see
	JointPerWeek        float64 // faults of regions 0 and 1 at once
	JointMean           float64 //
	CommonPerYear       float64 // faults of all regions at once that no control sees
	CommonMean          float64 //
	SpellsPerDay        float64 // times in which the provider is slower, harmlessly
	SpellLength         float64 //
	SpellFactor         float64 //
	LatencyFactor       float64 // of all latency, unlearned: 0 means 1
	DeadlineLoses       bool    // what is later than the deadline never arrives
	Outages             []Kind  // those that its figures are about
}

// WorldA has a glitch a day and region, a provider with a median of 4 s and a
// tail of minutes, and a deadline of 300 s.
func WorldA() World {
	return World{Name: "a", Timing: roster.DefaultTiming(), Median: 4, Sigma: 0.6, TailShare: 0.005, TailMean: 120, TailMin: 4,
		Loss: 0.0005, Isolated: 0.002, IsolatedAfter: 3,
		FaultsPerDay: 1, FaultMean: 60, FaultFails: 0.95, FaultMin: 1, FaultMax: 10, FaultTwo: true, Detected: 0.8, CommonMean: 120,
		Outages: []Kind{HardFast, HardSlow, Half, Third, Swallowed}}
}

// WorldB is harsher: a local fault of four minutes every twelve hours, one of two
// regions at once every week, a provider with a median of 3 s and a 99th
// percentile of 30 s, and a deadline of 120 s.
func WorldB() World {
	t := roster.DefaultTiming()
	t.Deadline = 120 * time.Second
	return World{Name: "b", Timing: t, Median: 3, Sigma: math.Log(10) / 2.3263, Loss: 0.001,
		FaultsPerDay: 2, FaultMean: 240, FaultFails: 0.9, FaultSilent: 0.3, FaultMin: 1, FaultMax: 30, Detected: 0.9,
		JointPerWeek: 1, JointMean: 300, DeadlineLoses: true,
		Outages: []Kind{Refusing, Queued, HalfLost, Slow20, Grid}}
}

// fate is what will become of a canary.
type fate struct {
	outcome probes.Outcome // Delivered, Failed, or Lost for one that never arrives
	stage   probes.Stage
	after   time.Duration // until it is delivered or has failed
}

func seconds(x float64) time.Duration { return time.Duration(x * 1e9) }

// nature draws from the world's distributions.
type nature struct {
	w *World
	r *rand.Rand
}

func (n nature) exp(mean float64) float64 { return n.r.ExpFloat64() * mean }

func (n nature) latency() float64 {
	l := 0.0
	if n.w.TailShare > 0 && n.r.Float64() < n.w.TailShare {
		l = n.exp(n.w.TailMean) + n.w.TailMin
	} else {
		l = n.w.Median * math.Exp(n.w.Sigma*n.r.NormFloat64())
	}
	if n.w.LatencyFactor > 0 {
		l *= n.w.LatencyFactor
	}
	return l
}

// draw decides the fate of a canary sent at t, while its region has a local fault
// or not, the provider is slower by a factor, and the outage of that kind lasts from
// onset until over. nth counts the region's canaries. Mail that a queue holds is
// delivered within a minute of the end, if there is one.
func (n nature) draw(t, onset, over time.Duration, kind Kind, fault bool, slow float64, nth int) fate {
	w := n.w
	failed := func(after float64) fate { return fate{probes.Failed, probes.StageConnect, seconds(after)} }
	silent := fate{outcome: probes.Lost}
	if fault && n.r.Float64() < w.FaultFails {
		if w.FaultSilent > 0 && n.r.Float64() < w.FaultSilent {
			return silent
		}
		u := n.r.Float64()
		if w.FaultTwo {
			u = math.Round(u)
		}
		return failed(w.FaultMin + u*(w.FaultMax-w.FaultMin))
	}
	if w.Isolated > 0 && n.r.Float64() < w.Isolated {
		return failed(w.IsolatedAfter)
	}
	lat := n.latency() * slow
	lost := n.r.Float64() < w.Loss
	if on := t >= onset; kind != Healthy && t < over && (on || kind == Queued || kind == Grid) {
		late := t+seconds(lat) > onset // under way at the onset
		switch kind {
		case HardFast:
			return failed(1)
		case HardSlow:
			return failed(10)
		case Refusing:
			return failed(0.2 + 9.8*n.r.Float64())
		case Half, Third:
			p := 0.5
			if kind == Third {
				p = 0.3
			}
			if n.r.Float64() < p {
				return failed(1)
			}
		case Swallowed:
			lost = true
		case Queued, Grid:
			switch {
			case !late || kind == Grid && nth%2 != 0:
			case over == never:
				lost = true
			default:
				lat = (over - t).Seconds() + 60*n.r.Float64()
			}
		case HalfLost:
			lost = lost || n.r.Float64() < 0.5
		case Rare:
			lost = lost || n.r.Float64() < 0.02
		case Slow2:
			lat *= 2
		case Slow3:
			lat *= 3
		case Slow5:
			lat *= 5
		case Slow20:
			lat *= 20
		}
	}
	if lost || w.DeadlineLoses && lat > w.Timing.Deadline.Seconds() {
		return silent
	}
	return fate{outcome: probes.Delivered, after: seconds(lat)}
}
