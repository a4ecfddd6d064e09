package evidence

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mailquorum/probes"
)

// twin is the formula of the design, word by word: a list of canaries in the order
// of sending, a loop, no history that ends.
func twin(obs []Observation) float64 {
	obs = slices.Clone(obs)
	slices.SortFunc(obs, func(a, b Observation) int {
		return cmp.Or(a.Sent.Compare(b.Sent), slices.Compare(a.ID[:], b.ID[:]))
	})
	const p0, p1, rho, tau, h = 0.01, 0.5, 0.45, 30.0, 5.0
	w, v, run, last := 0.0, 0.0, 0, time.Time{}
	for _, o := range obs {
		switch o.Outcome {
		case probes.Delivered, probes.Late:
			w = max(0, w+math.Log((1-p1)/(1-p0)))
			v = min(v-math.Log((1-p1)/(1-p0)), 4.7-math.Log((1-p1)/(1-p0)))
			if v >= 4.7 {
				w = 0
			}
			run = 0
		case probes.Failed, probes.Lost, probes.Bounced:
			a, b := p0, 0.7
			if run > 0 {
				a, b = p0+(rho-p0)*math.Exp(-o.Sent.Sub(last).Seconds()/tau), 0.9
			}
			l := max(0, math.Log(b/a))
			w = min(2*h, w+l)
			v = max(0, v-l*math.Log(p1/p0)/math.Log(0.7/p0))
			run, last = run+1, o.Sent
		}
	}
	return w
}

func TestDumbTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := NewRoute(Params{}, zero)
		var obs []Observation
		at := zero
		bias := rapid.IntRange(1, 9).Draw(t, "failing of ten")
		for i := range rapid.IntRange(0, 200).Draw(t, "n") {
			at = at.Add(time.Duration(rapid.IntRange(0, 60_000).Draw(t, "ms")) * time.Millisecond)
			o := Observation{Sent: at, Confirm: true, Outcome: probes.Delivered}
			if rapid.IntRange(0, 9).Draw(t, "fails") < bias {
				o.Outcome = rapid.SampledFrom([]probes.Outcome{probes.Failed, probes.Lost, probes.Bounced,
					probes.Throttled, probes.AuthFailed, probes.Unknown}).Draw(t, "how")
			}
			binary.BigEndian.PutUint64(o.ID[:], uint64(i+1))
			obs = append(obs, o)
			r.Observe(at, o)
		}
		got, want := r.weigh(at.Sub(zero), outage).w, twin(obs)
		if math.Abs(got-want) > 1e-9 {
			t.Fatalf("W = %v, the twin says %v", got, want)
		}
	})
}
