package scenario

import (
	"time"

	"mailquorum/agent/evidence"
	"mailquorum/coordinator/incident"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// region is one agent: the real evidence, and around it what the agent does with
// it: schedule, follow, scan, controls, confirmation, report.
type region struct {
	w       *world
	i       int
	name    string // of the agent
	routes  [][]*route
	local   *evidence.Local
	known   map[incident.Subject]incident.Record
	stopped bool
	life    int // counts starts: events of an earlier one are void
	skew    time.Duration

	tokens   float64
	refilled time.Time
	asked    []time.Time    // by service
	heard    [][]time.Time  // by service and origin
	spoken   []vote.Opinion // by service and question
	ticking  bool
}

// route is one route of a region.
type route struct {
	service, place int
	evidence       *evidence.Route
	flights        []*flight // newest last
	learned        []byte
}

// flight is one canary.
type flight struct {
	id      probes.ID
	sent    time.Time
	confirm bool
	outcome probes.Outcome
	fate    fate
	waiting bool // in the mailbox, not yet read
	gone    bool // swept away unseen
}

func newRegion(w *world, i int) *region {
	g := &region{w: w, i: i, name: "agent-" + w.s.Roster.Regions[i].Name}
	for s, names := range w.s.Routes {
		var routes []*route
		for p := range names {
			routes = append(routes, &route{service: s, place: p})
		}
		g.routes = append(g.routes, routes)
		g.heard = append(g.heard, make([]time.Time, len(w.s.Roster.Regions)))
	}
	g.asked = make([]time.Time, len(g.routes))
	g.spoken = make([]vote.Opinion, len(g.routes)*len(questions))
	g.start()
	return g
}

func (g *region) stop() {
	g.stopped = true
	g.life++
	for r := range g.all() {
		b, err := r.evidence.MarshalJSON()
		if err != nil {
			panic("scenario: " + err.Error()) // plain data
		}
		r.learned = b
	}
}

// start begins a life of the agent: what was learned is kept, evidence is not;
// canaries that are still open are followed on.
func (g *region) start() {
	w := g.w
	if g.stopped {
		w.cluster.Restart(g.name)
	}
	g.stopped = false
	g.life++
	g.local = evidence.NewLocal(evidence.FromTiming(w.timing))
	g.known = incident.Records(w.s.Roster)
	g.tokens, g.refilled, g.ticking = confirmTokens, w.now, false
	for r := range g.all() {
		r.evidence = evidence.NewRoute(evidence.FromTiming(w.timing), w.now)
		if r.learned == nil {
			r.learned = w.learned()
		}
		if err := r.evidence.UnmarshalJSON(r.learned); err != nil {
			panic("scenario: " + err.Error()) // written by the same program
		}
		for _, f := range r.flights {
			if f.outcome.Open() {
				r.evidence.Accepted(w.now, f.id, f.sent)
			}
			if f.outcome.Open() || f.outcome == probes.Lost {
				g.follow(r, f)
			}
		}
		g.schedule(r)
	}
	g.every(w.timing.Interval/4, g.check)
	g.tick()
}

// all yields the region's routes.
func (g *region) all() func(func(*route) bool) {
	return func(yield func(*route) bool) {
		for _, rs := range g.routes {
			for _, r := range rs {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// after does something later, unless the agent's life ends before.
func (g *region) after(d time.Duration, do func()) {
	life := g.life
	g.w.after(d, func() {
		if g.life == life {
			do()
		}
	})
}

func (g *region) every(d time.Duration, do func()) {
	do()
	g.after(d, func() { g.every(d, do) })
}

// schedule sends a canary at each slot of the route: the regions are spread over
// the interval, which is a quarter while an outage is open.
func (g *region) schedule(r *route) {
	interval := g.w.timing.Interval
	if g.open(r.service) {
		interval /= 4
	}
	n, m := len(g.w.regions), len(g.routes[r.service])
	if n == 0 {
		n = len(g.w.s.Roster.Regions)
	}
	phase := (float64(g.i) + float64(r.place)/float64(4*m)) / float64(n)
	since := g.w.now.Sub(g.w.s.Begin) - time.Duration(phase*float64(interval))
	wait := interval - ((since%interval)+interval)%interval
	g.after(min(wait, g.w.timing.Interval/4), func() {
		if wait <= g.w.timing.Interval/4 {
			g.send(r, false)
		}
		g.schedule(r)
	})
}

func (g *region) open(service int) bool { return g.known[g.w.subjects[service]].Open() }

// send sends one canary.
func (g *region) send(r *route, confirm bool) {
	w := g.w
	f := &flight{sent: w.now, confirm: confirm, fate: w.fate(g.i, r.service, r.place)}
	w.serial++
	for i := range 8 {
		f.id[i] = byte(w.serial >> (8 * i))
	}
	f.id[8], f.id[9] = byte(g.i), byte(r.service)
	r.flights = append(r.flights, f)
	g.after(f.fate.took, func() {
		if e := f.fate.err; e != nil && e.Outcome != probes.Ambiguous {
			g.settle(r, f, e.Outcome, e.Stage, e.Reply)
			return
		}
		if f.outcome == probes.InFlight {
			r.evidence.Accepted(w.now, f.id, f.sent)
			g.after(r.evidence.Stirs(), g.look)
		}
		g.follow(r, f)
	})
}

// follow waits for a canary's arrival, bounce and deadline.
func (g *region) follow(r *route, f *flight) {
	w := g.w
	if f.waiting {
		g.read(r)
	} else if at := f.fate.arrives; !at.IsZero() {
		g.after(max(0, at.Sub(w.now)), func() {
			f.waiting = !f.gone
			g.read(r)
		})
	}
	if at := f.fate.bounced; !at.IsZero() {
		g.after(max(0, at.Sub(w.now)), func() { g.settle(r, f, probes.Bounced, probes.StageTransit, f.fate.reply) })
	}
	g.after(max(0, f.sent.Add(w.timing.Deadline).Sub(w.now)), func() { g.read(r) })
}

// read looks into the route's mailbox: what is there is seen, and what is past
// its deadline and is not there is lost. If it cannot be read, nothing is said.
func (g *region) read(r *route) {
	w := g.w
	if w.unreadable(g.i, r.service, r.place) != nil {
		return
	}
	open := g.open(r.service)
	keep := r.flights[:0]
	for _, f := range r.flights {
		late := w.now.Sub(f.sent) >= w.timing.Deadline
		switch {
		case f.waiting:
			f.waiting = false
			switch {
			case late || f.outcome == probes.Lost:
				g.settle(r, f, probes.Late, probes.StageTransit, probes.Reply{})
			case f.fate.junk:
				g.settle(r, f, probes.Junked, probes.StageNone, probes.Reply{})
			default:
				g.settle(r, f, probes.Delivered, probes.StageNone, probes.Reply{})
			}
		case f.outcome == probes.InFlight && late:
			r.evidence.ReadSide(w.now, nil)
			g.settle(r, f, probes.Lost, probes.StageTransit, probes.Reply{})
		}
		if w.now.Sub(f.sent) < 7*24*time.Hour && (f.outcome.Open() || f.outcome == probes.Lost || open || w.now.Sub(f.sent) < time.Hour) {
			keep = append(keep, f)
		}
	}
	clear(r.flights[len(keep):])
	r.flights = keep
}

// settle sets an outcome, and tells the evidence.
func (g *region) settle(r *route, f *flight, o probes.Outcome, stage probes.Stage, reply probes.Reply) {
	f.outcome = o
	obs := evidence.Observation{ID: f.id, Sent: f.sent, Outcome: o, Stage: stage, Reply: reply, Confirm: f.confirm}
	if o.Arrived() {
		obs.Latency = g.w.now.Sub(f.sent)
	}
	r.evidence.Observe(g.w.now, obs)
	g.look()
}

// forget loses the mailbox's memory: what was under way towards it is unknown.
func (g *region) forget() {
	for r := range g.all() {
		for _, f := range r.flights {
			if f.outcome.Open() {
				f.waiting, f.gone = false, f.waiting
				g.settle(r, f, probes.Unknown, probes.StageRetrieve, probes.Reply{})
			}
		}
	}
}

// check is a round of the controls, and a look into each mailbox.
func (g *region) check() {
	w := g.w
	passed := 3
	if w.is(g.i, "offline") != nil || w.is(g.i, "nodns") != nil {
		passed = 0
	}
	fault := g.local.Controls(w.now, passed, 3)
	quiet := !fault && g.calm()
	for r := range g.all() {
		if fault {
			r.evidence.Excuse(w.now)
		}
		err := w.unreadable(g.i, r.service, r.place)
		r.evidence.ReadSide(w.now, err)
		if err == nil {
			g.read(r)
		} else {
			quiet = false
		}
	}
	if !quiet {
		g.look()
	}
}
