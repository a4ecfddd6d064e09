package evidence

import (
	"errors"
	"fmt"
	"math"
	"time"

	"mailquorum/internal/roster"
)

// MinH is the least legal vote threshold in nats: above what any single failure
// weighs (ln(0.7/0.01) = 4.25) with some room.
const MinH = 4.6

// Likelihoods of a failing canary while the provider is down: of the first of a
// run, and of one that follows a failure (design section 5).
const (
	p1First = 0.7
	p1Later = 0.9
)

// Feature is a set of parts of the evidence. They can be left out, to measure
// what each is worth; nobody should want to otherwise.
type Feature uint8

// The parts that can be left out.
const (
	Overdue    Feature = 1 << iota // evidence from canaries that are overdue
	Drought                        // the drought rule
	Safety                         // the safety factor on the learned latency
	Adaptation                     // to the slowness of the hour
	Runs                           // the discount of failures close to one another
)

// Params are the constants of the evidence. Those of time come from the roster's
// timing, so that a demonstration can run on a faster clock. A zero field
// means its default.
type Params struct {
	Interval time.Duration // T, between scheduled canaries of the route; default 60 s
	Deadline time.Duration // after which a canary is lost; default 300 s
	Drought  time.Duration // least age of the oldest missing canary in a drought; default 60 s
	Tau      time.Duration // memory of a run of failures; default 30 s
	Control  time.Duration // the controls must have passed this long before the region votes again; default 60 s

	P0  float64 // probability that a canary fails although all is well; default 0.01. More is learned, less is not
	P1  float64 // that it fails while the provider is down, for weighing successes; default 0.5
	Rho float64 // that it fails right after a failure although the provider is well; default 0.45
	H   float64 // W at which the region votes down, in nats; default 5.0, at least MinH

	Without Feature // parts left out, for ablations
}

// FromTiming returns the default parameters with the roster's time constants.
func FromTiming(t roster.Timing) Params {
	t = t.WithDefaults()
	return Params{Interval: t.Interval, Deadline: t.Deadline, Drought: t.Drought, Tau: t.Tau, Control: t.Control}.WithDefaults()
}

// WithDefaults returns p with the default in place of each zero field.
func (p Params) WithDefaults() Params {
	def := roster.DefaultTiming()
	for _, f := range []struct{ v, d *time.Duration }{
		{&p.Interval, &def.Interval}, {&p.Deadline, &def.Deadline}, {&p.Drought, &def.Drought},
		{&p.Tau, &def.Tau}, {&p.Control, &def.Control},
	} {
		if *f.v == 0 {
			*f.v = *f.d
		}
	}
	for _, f := range []struct {
		v *float64
		d float64
	}{{&p.P0, 0.01}, {&p.P1, 0.5}, {&p.Rho, 0.45}, {&p.H, 5.0}} {
		if *f.v == 0 {
			*f.v = f.d
		}
	}
	return p
}

// Validate reports every reason for which p, with its defaults, is not legal. A
// legal p has the property that no single failure, however bad, votes down.
func (p Params) Validate() error {
	p = p.WithDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, d := range []struct {
		name string
		v    time.Duration
	}{{"interval", p.Interval}, {"deadline", p.Deadline}, {"drought", p.Drought}, {"tau", p.Tau}, {"control", p.Control}} {
		if d.v < 0 {
			bad("%s is negative: %v", d.name, d.v)
		}
	}
	if p.Deadline < p.Drought {
		bad("deadline %v is before drought %v: a canary would be lost before it is missed", p.Deadline, p.Drought)
	}
	if !(p.P0 > 0 && p.P0 <= 0.2) {
		bad("p0 = %g: want above 0 and at most 0.2", p.P0)
	}
	if !(p.P1 > p.P0 && p.P1 < 1) {
		bad("p1 = %g: want above p0 = %g and below 1", p.P1, p.P0)
	}
	if !(p.Rho >= p.P0 && p.Rho < p1Later) {
		bad("rho = %g: want at least p0 = %g and below %g", p.Rho, p.P0, p1Later)
	}
	if !(p.H >= MinH && p.H <= 100) {
		bad("h = %g: want %g to 100, so that one failure can never vote", p.H, MinH)
	} else if first := math.Log(p1First / p.P0); p.P0 > 0 && first >= p.H {
		bad("h = %g: one failure weighs %.2f with p0 = %g, and must never vote", p.H, first, p.P0)
	}
	return errors.Join(errs...)
}

func (p *Params) without(f Feature) bool { return p.Without&f != 0 }

// day is 24 hours on the clock of the roster's timing, whose Control is a minute
// in life.
func (p *Params) day() time.Duration { return 24 * 60 * p.Control }
