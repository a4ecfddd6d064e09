package scenario

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"mailquorum/agent/evidence"
	"mailquorum/probes"
)

// fate is what will become of a canary, decided when it is sent.
type fate struct {
	err     *probes.Error // the submission fails with it, unless nil
	took    time.Duration // until the submission has failed or is through
	arrives time.Time     // in the mailbox; zero: never
	bounced time.Time     // a non-delivery report arrives; zero: none
	reply   probes.Reply  // that of the bounce
	junk    bool
}

// submission is how long a healthy one takes.
const submission = 300 * time.Millisecond

// fate decides what becomes of a canary that a region sends now.
func (w *world) fate(region, service, route int) fate {
	f := fate{took: submission}
	transit := w.transit()
	lost := false
	for i := range w.s.Effects {
		e := &w.s.Effects[i]
		if !e.at(w.now) || !e.hits(region, service, route) || e.Share < 1 && w.rand.Float64() >= e.Share {
			continue
		}
		reply := probes.Reply{Code: e.Code, Enhanced: e.Status}
		switch e.Kind {
		case "fail":
			stage := stageNamed(e.Stage)
			return fate{err: &probes.Error{Stage: stage, Outcome: classify(stage, reply), Reply: reply}, took: max(e.After, submission)}
		case "offline":
			return fate{err: &probes.Error{Stage: probes.StageConnect, Outcome: probes.Failed}, took: 10 * time.Second}
		case "nodns":
			return fate{err: &probes.Error{Stage: probes.StageResolve, Outcome: probes.Failed}, took: 5 * time.Second}
		case "cut":
			f.err = &probes.Error{Stage: probes.StageData, Outcome: probes.Ambiguous}
		case "slow":
			transit = time.Duration(float64(transit) * e.Factor)
		case "drop":
			lost = true
		case "junk":
			f.junk = true
		case "bounce":
			f.bounced, f.reply, lost = w.now.Add(max(e.After, transit)), reply, true
		}
	}
	if !lost {
		f.arrives = w.held(w.now.Add(transit), region, service, route)
	}
	return f
}

// transit is how long the healthy provider takes.
func (w *world) transit() time.Duration {
	return time.Duration(float64(w.s.Latency) * math.Exp(0.6*w.rand.NormFloat64()))
}

// learned is what a route has learned in three days of health, as the agent keeps
// it over restarts.
func (w *world) learned() []byte {
	if w.history != nil {
		return w.history
	}
	at := w.s.Begin.Add(-warmup - school)
	r := evidence.NewRoute(evidence.FromTiming(w.timing), at)
	for i := 0; i < int(school/w.timing.Interval); i++ {
		lat := w.transit()
		at = at.Add(w.timing.Interval)
		id := probes.ID{15: 1}
		binary.BigEndian.PutUint64(id[:], uint64(i))
		r.Observe(at.Add(lat), evidence.Observation{ID: id, Sent: at, Outcome: probes.Delivered, Latency: lat})
	}
	b, err := r.MarshalJSON()
	if err != nil {
		panic("scenario: " + err.Error()) // plain data
	}
	w.history = b
	return b
}

// held moves an arrival to the end of the holds in which it falls; a queue that
// is let go drains for a minute.
func (w *world) held(at time.Time, region, service, route int) time.Time {
	for i := range w.s.Effects {
		e := &w.s.Effects[i]
		if e.Kind == "hold" && e.at(at) && e.hits(region, service, route) && (e.Share >= 1 || w.rand.Float64() < e.Share) {
			return w.held(e.To.Add(time.Duration(w.rand.Float64()*float64(time.Minute))), region, service, route)
		}
	}
	return at
}

// classify says what a failed submission makes of the canary, as probes/submit
// does for replies that have an enhanced code.
func classify(stage probes.Stage, r probes.Reply) probes.Outcome {
	class, subject, detail := digits(r.Enhanced)
	switch {
	case r.Code == 0:
		return probes.Failed
	case stage == probes.StageAuth && slices.Contains([]int{432, 454, 534, 535, 538}, r.Code):
		return probes.AuthFailed
	case subject == 2 && detail == 2:
		return probes.Policy
	case class == 4 && subject == 7:
		return probes.Throttled
	case subject == 7:
		return probes.Policy
	}
	return probes.Failed
}

func digits(enhanced string) (class, subject, detail int) {
	n := [3]int{}
	i := 0
	for _, c := range enhanced {
		if c == '.' && i < 2 {
			i++
		} else if c >= '0' && c <= '9' {
			n[i] = 10*n[i] + int(c-'0')
		}
	}
	return n[0], n[1], n[2]
}

// unreadable says why a region's mailbox of a route cannot be read now; nil: it
// can.
func (w *world) unreadable(region, service, route int) *probes.Error {
	for i := range w.s.Effects {
		e := &w.s.Effects[i]
		if !e.at(w.now) || !e.hits(region, service, route) {
			continue
		}
		switch e.Kind {
		case "offline", "nodns":
			if e.Share >= 1 {
				return &probes.Error{Stage: probes.StageRetrieve, Outcome: probes.Failed}
			}
		case "unreadable":
			out := probes.Failed
			if stageNamed(e.Stage) == probes.StageAuth {
				out = probes.AuthFailed
			}
			return &probes.Error{Stage: probes.StageRetrieve, Outcome: out, Reply: probes.Reply{Code: e.Code, Enhanced: e.Status}}
		}
	}
	return nil
}

// is returns the effect of that kind that a region is under, or nil.
func (w *world) is(region int, kind string) *Effect {
	for i := range w.s.Effects {
		if e := &w.s.Effects[i]; e.Kind == kind && e.at(w.now) && e.hits(region, -1, -1) {
			return e
		}
	}
	return nil
}

func stageNamed(name string) probes.Stage {
	for _, s := range probes.Stages() {
		if s.String() == name {
			return s
		}
	}
	return probes.StageNone
}
