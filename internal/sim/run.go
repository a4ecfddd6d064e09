package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"mailquorum/agent/evidence"
	"mailquorum/probes"
)

// Result is what one kind of outage came to.
type Result struct {
	Kind      Kind
	Trials    int
	Missed    int       // not opened within Options.Lasts
	After     []float64 // seconds from onset to open, of those opened, ascending
	Slowly    []float64 // the same of "degraded"
	Incidents int       // with Options.Ends: outages opened from onset on
	Closed    []float64 // with Options.Ends: seconds from the end to the first close after it
}

func (r *Result) add(after float64) {
	r.Trials++
	if after < 0 {
		r.Missed++
		return
	}
	r.After = append(r.After, after)
}

func (r *Result) join(d Result) {
	r.Trials += d.Trials
	r.Missed += d.Missed
	r.Incidents += d.Incidents
	r.After = append(r.After, d.After...)
	r.Slowly = append(r.Slowly, d.Slowly...)
	r.Closed = append(r.Closed, d.Closed...)
}

func (r *Result) sort() {
	slices.Sort(r.After)
	slices.Sort(r.Slowly)
	slices.Sort(r.Closed)
}

// Mean is the mean time to open, in seconds.
func (r Result) Mean() float64 { return mean(r.After) }

// Quantile is the q-quantile of the time to open, in seconds, with the missed as
// infinitely late.
func (r Result) Quantile(q float64) float64 { return quantile(r.After, q, r.Trials) }

// Report is what a simulation came to.
type Report struct {
	Options  Options
	Days     float64 // simulated without an outage
	Pages    int     // false ones
	Degraded int     // "degraded" opened
	Blind    int
	Canaries int64 // in Days
	Confirms int64 // of these
	Results  []Result
	Canceled bool
}

// PerYear is a number of events in Days as a yearly rate with its 95 % interval.
func (r *Report) PerYear(n int) (rate, low, high float64) {
	years := r.Days / 365.25
	low, high = poisson(n)
	return float64(n) / years, low / years, high / years
}

// shard is a part of a simulation that is always done alike, whoever does it.
type shard struct {
	seed uint64
	days float64
	kind Kind
	n    int
}

// outcome is what a shard came to.
type outcome struct {
	pages, degraded, blind int
	sent, confirms         int64
	result                 Result
}

const (
	shardDays   = 91.3125 // four shards a year
	shardTrials = 25
)

// Run simulates. The same options give the same report, on any number of
// processors. It ends early, with what it has, when ctx does.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.prepare(); err != nil {
		return nil, err
	}
	return o.gather(ctx, func(s shard) *outcome { return o.do(ctx, s) }), nil
}

// gather has the shards done and puts together what they come to.
func (o *Options) gather(ctx context.Context, do func(shard) *outcome) *Report {
	var todo []shard
	seeds := rand.New(rand.NewPCG(o.Seed, 0x51a))
	for left := o.Years * 365.25; left > 0.01; left -= shardDays {
		todo = append(todo, shard{seed: seeds.Uint64(), days: min(left, shardDays)})
	}
	for _, k := range o.Kinds {
		for left := o.Outages; left > 0; left -= shardTrials {
			todo = append(todo, shard{seed: seeds.Uint64(), kind: k, n: min(left, shardTrials)})
		}
	}
	done := make([]*outcome, len(todo))
	work(ctx, len(todo), o.Progress, func(i int) { done[i] = do(todo[i]) })

	r := &Report{Options: *o, Canceled: ctx.Err() != nil}
	byKind := map[Kind]int{}
	for _, k := range o.Kinds {
		byKind[k] = len(r.Results)
		r.Results = append(r.Results, Result{Kind: k})
	}
	for i, d := range done {
		if d == nil {
			continue
		}
		if s := todo[i]; s.kind == Healthy {
			r.Days += s.days
			r.Pages += d.pages
			r.Degraded += d.degraded
			r.Blind += d.blind
			r.Canaries += d.sent
			r.Confirms += d.confirms
			continue
		}
		r.Results[byKind[todo[i].kind]].join(d.result)
	}
	for i := range r.Results {
		r.Results[i].sort()
	}
	return r
}

// work does n things on all processors.
func work(ctx context.Context, n int, progress func(done, total int), do func(i int)) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	next, ready := 0, 0
	for range min(runtime.GOMAXPROCS(0), n) {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= n || ctx.Err() != nil {
					return
				}
				do(i)
				mu.Lock()
				ready++
				if progress != nil {
					progress(ready, n)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func (o *Options) prepare() error {
	if o.Regions == 0 {
		o.Regions = 5
	}
	if o.Coordinators == 0 {
		o.Coordinators = 3
	}
	if o.Network == (Network{}) {
		o.Network = DefaultNetwork()
	}
	if o.Lasts == 0 {
		o.Lasts = time.Hour
	}
	if o.Kinds == nil {
		o.Kinds = o.World.Outages
	}
	if o.Regions < 1 || o.Regions > maxRegions {
		return fmt.Errorf("%d regions: want 1 to %d", o.Regions, maxRegions)
	}
	if o.Coordinators > o.Regions {
		o.Coordinators = o.Regions
	}
	if o.Years < 0 || o.Outages < 0 || o.Liars < 0 || o.Dead < 0 || o.Liars+o.Dead > o.Regions {
		return errors.New("a number is negative, or more regions lie or are dead than there are")
	}
	o.World.Timing = o.World.Timing.WithDefaults()
	if err := o.Rule.params(&o.World).Validate(); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	o.cluster = newCluster(o)
	return o.learn()
}

// learn lets a route live through two healthy weeks, so that lives begin with
// what it knows then.
func (o *Options) learn() error {
	w := o.World
	w.LatencyFactor = 0 // what follows is not yet known
	n := nature{&w, rand.New(rand.NewPCG(o.Seed, 0x1ea12))}
	r := evidence.NewRoute(o.Rule.params(&w), epoch)
	now := epoch
	var id probes.ID
	for i := range 20000 {
		id[0], id[1], id[2] = byte(i), byte(i>>8), byte(i>>16)
		f := n.draw(0, never, never, Healthy, false, 1, i)
		obs := evidence.Observation{ID: id, Sent: now, Outcome: f.outcome, Stage: f.stage, Latency: f.after}
		if f.outcome != probes.Failed {
			r.Accepted(now, id, now)
		}
		r.Observe(now.Add(f.after), obs)
		now = now.Add(w.Timing.Interval)
	}
	b, err := r.MarshalJSON()
	if err != nil {
		return err
	}
	o.learned = b
	return nil
}

func days(d float64) time.Duration { return time.Duration(d * 24 * float64(time.Hour)) }

// onset draws when an outage begins: after ten intervals of health.
func (o *Options) onset(r *rand.Rand) time.Duration {
	t := o.World.Timing.Interval
	return 10*t + time.Duration(r.Float64()*float64(t))
}

// do simulates one shard.
func (o *Options) do(ctx context.Context, s shard) *outcome {
	if s.kind == Healthy {
		e := newEngine(o, s.seed)
		e.run(days(s.days), func() bool { return ctx.Err() != nil })
		return &outcome{pages: len(e.opened), degraded: len(e.degraded), blind: e.blind, sent: e.sent, confirms: e.confirms}
	}
	out := &outcome{result: Result{Kind: s.kind}}
	r := rand.New(rand.NewPCG(s.seed, 0x72a1))
	for range s.n {
		if ctx.Err() != nil {
			break
		}
		o.trial(r, s.kind, &out.result)
	}
	return out
}

// trial is one outage.
func (o *Options) trial(r *rand.Rand, kind Kind, res *Result) {
	e := newEngine(o, r.Uint64())
	e.kind, e.onset = kind, o.onset(r)
	end := e.onset + o.Lasts
	if o.Ends > 0 {
		e.over = e.onset + o.Ends
		end = e.over + o.Lasts
	}
	after := func(times []time.Duration, t time.Duration) float64 {
		for _, x := range times {
			if x >= t {
				return (x - t).Seconds()
			}
		}
		return -1
	}
	e.run(end, func() bool {
		return o.Ends == 0 && after(e.opened, e.onset) >= 0 && (!o.Degraded || after(e.degraded, e.onset) >= 0)
	})
	res.add(after(e.opened, e.onset))
	if t := after(e.degraded, e.onset); t >= 0 {
		res.Slowly = append(res.Slowly, t)
	}
	if o.Ends > 0 {
		n := 0
		for _, t := range e.opened {
			if t >= e.onset {
				n++
			}
		}
		res.Incidents += n
		if t := after(e.closed, e.over); t >= 0 {
			res.Closed = append(res.Closed, t)
		}
	}
}
