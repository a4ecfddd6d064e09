package sim

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"mailquorum/internal/roster"
	"mailquorum/probes"
)

// Baseline is a simple rule that others use, in the same world: its verdicts are
// immediate and its messages never lost.
type Baseline struct {
	Name   string
	Phases Phases
	Need   func(n int) int // regions of n that must agree
	Row    int             // failures in a row that make a region say down
	Live   bool            // a majority of the newest results that are younger than 3 T, twice
	Hand   bool            // three failures, each checked by another region after T/2
}

// Baselines are the published rules that the decision is compared with.
func Baselines() []Baseline {
	one := func(int) int { return 1 }
	all := func(n int) int { return n - int(0.18*float64(n)) }
	return []Baseline{
		{Name: "any region, 3 consecutive", Phases: PhasesRandom, Need: one, Row: 3},
		{Name: "synchronous, majority of last", Phases: PhasesSame, Need: roster.Quorum, Row: 1},
		{Name: "majority, 2 consecutive", Phases: PhasesRandom, Need: roster.Quorum, Row: 2},
		{Name: "majority of fresh reports, twice", Phases: PhasesRandom, Live: true},
		{Name: "3 fails, other location, T/2", Phases: PhasesRandom, Hand: true},
		{Name: "at most 18 % healthy, 3 consecutive", Phases: PhasesRandom, Need: all, Row: 3},
	}
}

// rearm is for how long a baseline's condition must be false before the next page.
const rearm = 300 * time.Second

// plain is one simulated life of a baseline.
type plain struct {
	o       *Options
	b       Baseline
	now     time.Duration
	q       queue
	n       nature
	climate *climate
	kind    Kind
	onset   time.Duration

	row, nth []int // failures in a row, canaries so far, by region
	seen     []time.Duration
	good     []bool
	streak   int  // of evaluations (Live) or checks (Hand)
	armed    bool // false from a page on until the condition was false for long enough
	held     time.Duration
	pages    []time.Duration
	sent     int64
}

func newPlain(o *Options, b Baseline, seed uint64) *plain {
	w := &o.World
	p := &plain{o: o, b: b, climate: newClimate(w, o.Regions, seed), n: nature{w, rand.New(rand.NewPCG(seed, 0xca9a27))}, onset: never,
		row: make([]int, o.Regions), nth: make([]int, o.Regions), seen: make([]time.Duration, o.Regions), good: make([]bool, o.Regions), armed: true}
	base := p.n.r.Float64()
	for i := range o.Regions {
		x := base + float64(i)/float64(o.Regions)
		switch b.Phases {
		case PhasesRandom:
			x = p.n.r.Float64()
		case PhasesSame:
			x = base + p.n.r.Float64()/120
		}
		p.seen[i] = -never / 2
		p.q.push(event{at: time.Duration((x - math.Floor(x)) * float64(w.Timing.Interval)), kind: evSend, who: uint8(i)})
	}
	return p
}

func (p *plain) run(end time.Duration, stop func() bool) {
	t := p.o.World.Timing
	for len(p.q.heap) > 0 && p.q.heap[0].at < end && (stop == nil || !stop()) {
		ev := p.q.pop()
		p.now = ev.at
		i := int(ev.who)
		switch ev.kind {
		case evSend:
			p.q.push(event{at: p.now + t.Interval, kind: evSend, who: ev.who})
			p.send(i)
		case evConfirm:
			p.send(i)
		case evResult: // what: 1 for success
			p.result(i, ev.what == 1)
		}
	}
	p.now = end
}

func (p *plain) send(i int) {
	p.nth[i]++
	p.sent++
	deadline := p.o.World.Timing.Deadline
	on, _ := p.climate.fault(i, p.now)
	f := p.n.draw(p.now, p.onset, never, p.kind, on, p.climate.slowness(p.now), p.nth[i]+i)
	ok := int32(0)
	switch {
	case f.outcome == probes.Lost || f.after > deadline:
		f.after = deadline
	case f.outcome == probes.Delivered:
		ok = 1
	}
	p.q.push(event{at: p.now + f.after, kind: evResult, who: uint8(i), what: ok})
}

func (p *plain) result(i int, ok bool) {
	p.seen[i], p.good[i] = p.now, ok
	p.row[i]++
	if ok {
		p.row[i] = 0
	}
	down := 0
	switch {
	case p.b.Hand:
		p.hand(i, ok)
		return
	case p.b.Live:
		up := 0
		for r := range p.seen {
			if p.now-p.seen[r] <= 3*p.o.World.Timing.Interval {
				if p.good[r] {
					up++
				} else {
					down++
				}
			}
		}
		if down > up {
			p.streak++
		} else {
			p.streak = 0
		}
		p.hold(p.streak >= 2)
		return
	}
	for _, n := range p.row {
		if n >= p.b.Row {
			down++
		}
	}
	p.hold(down >= p.b.Need(p.o.Regions))
}

// hand passes a failure on to the next region, which checks it half an interval later.
func (p *plain) hand(i int, ok bool) {
	if ok {
		p.streak = 0
		p.hold(false)
		return
	}
	p.streak++
	p.hold(p.streak >= 3)
	if p.streak < 3 {
		p.q.push(event{at: p.now + p.o.World.Timing.Interval/2, kind: evConfirm, who: uint8((i + 1) % p.o.Regions)})
	}
}

func (p *plain) hold(is bool) {
	if !is {
		if !p.armed && p.now-p.held > rearm {
			p.armed = true
		}
		return
	}
	if p.armed || p.now-p.held > rearm {
		p.pages = append(p.pages, p.now)
	}
	p.armed, p.held = false, p.now
}

// RunBaseline simulates a baseline in the world of the options, with their seed.
func RunBaseline(ctx context.Context, b Baseline, o Options) (*Report, error) {
	if err := o.prepare(); err != nil {
		return nil, err
	}
	return o.gather(ctx, func(s shard) *outcome {
		if s.kind == Healthy {
			p := newPlain(&o, b, s.seed)
			p.run(days(s.days), nil)
			return &outcome{pages: len(p.pages), sent: p.sent}
		}
		out := &outcome{result: Result{Kind: s.kind}}
		r := rand.New(rand.NewPCG(s.seed, 0x72a1))
		for range s.n {
			p := newPlain(&o, b, r.Uint64())
			p.kind = s.kind
			p.onset = o.onset(r)
			opened := -1.0
			p.run(p.onset+o.Lasts, func() bool {
				if n := len(p.pages); n > 0 && p.pages[n-1] >= p.onset {
					opened = (p.pages[n-1] - p.onset).Seconds()
				}
				return opened >= 0
			})
			out.result.add(opened)
		}
		return out
	}), nil
}
