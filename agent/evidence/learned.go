package evidence

import (
	"encoding/json"
	"fmt"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

// failures learns the rate at which canaries fail although all is well.
type failures struct {
	bad, all float64 // weights that fade over memory canaries
	fresh    int
}

// mostP0 bounds what is learned: beyond it, a failing route is not normal.
const mostP0 = 0.1

func (f *failures) count(bad bool) {
	f.all++
	if bad {
		f.bad++
	}
	f.fresh++
}

func (f *failures) fade() {
	k := 1 - float64(f.fresh)/memory
	f.bad, f.all, f.fresh = f.bad*k, f.all*k, 0
}

// p0 is the learned rate where it is above the configured one, which weighs as
// much as 500 canaries.
func (f *failures) p0(p *Params) float64 {
	const prior = 500
	return max(p.P0, min(mostP0, (p.P0+p.P1)/2, (f.bad+p.P0*prior)/(f.all+prior)))
}

// learned is what survives a restart.
type learned struct {
	Version  int     `json:"version"`
	Sketch   []byte  `json:"latency"` // DDSketch of seconds, in its own encoding
	Slowness float64 `json:"slowness"`
	Bad      float64 `json:"failures"`
	All      float64 `json:"canaries"`
}

// MarshalJSON writes what the route has learned: latency and failure rate. What it
// believes at present is not part of it.
func (r *Route) MarshalJSON() ([]byte, error) {
	l := learned{Version: 1, Slowness: r.lat.slow, Bad: r.rate.bad, All: r.rate.all}
	r.lat.sketch.Encode(&l.Sketch, false)
	return json.Marshal(l)
}

// UnmarshalJSON replaces what the route has learned by what MarshalJSON wrote. On
// an error the route stays as it was. r must come from NewRoute.
func (r *Route) UnmarshalJSON(b []byte) error {
	var l learned
	if err := json.Unmarshal(b, &l); err != nil {
		return fmt.Errorf("reading what a route has learned: %w", err)
	}
	if l.Version != 1 {
		return fmt.Errorf("reading what a route has learned: version %d is not known", l.Version)
	}
	if !(l.Bad >= 0 && l.Bad <= l.All) || !(l.Slowness >= -10 && l.Slowness <= 10) {
		return fmt.Errorf("reading what a route has learned: numbers out of range")
	}
	sk, err := ddsketch.DecodeDDSketch(l.Sketch, func() store.Store { return store.NewCollapsingLowestDenseStore(1024) }, nil)
	if err != nil {
		return fmt.Errorf("reading what a route has learned about latency: %w", err)
	}
	lat := newLatencies(&r.p)
	if !sk.IsEmpty() {
		if err := lat.sketch.MergeWith(sk); err != nil {
			return fmt.Errorf("reading what a route has learned about latency: %w", err)
		}
	}
	lat.slower(l.Slowness)
	lat.tabulate()
	r.memo.valid = false
	r.lat, r.rate = lat, failures{bad: l.Bad, all: l.All}
	r.remodel()
	return nil
}
