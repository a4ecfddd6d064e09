package sim

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// epoch is when each simulated life begins.
var epoch = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// canary is one simulated mail.
type canary struct {
	id      probes.ID
	sent    time.Duration
	fate    fate
	region  uint8
	confirm bool
	dead    bool // called lost
	logged  int  // its place in the region's account, -1: none
}

// engine is one simulated life of a monitor. It is not safe for concurrent use.
type engine struct {
	o       *Options
	w       *World
	now     time.Duration
	q       queue
	n       nature
	net     *rand.Rand
	climate *climate
	regions []*region
	quorum  int
	mail    []canary
	free    []int32
	ids     uint64

	kind  Kind
	onset time.Duration
	over  time.Duration // end of the outage

	wire  *wire
	state *lives // of the coordinators

	sent, confirms int64
	opened         []time.Duration // when outages were opened: each is a page
	degraded       []time.Duration
	closed         []time.Duration
	blind          int
	dark           time.Duration // since when too few regions can tell
}

func newEngine(o *Options, seed uint64) *engine {
	w := &o.World
	e := &engine{o: o, w: w, climate: newClimate(w, o.Regions, seed), n: nature{w, rand.New(rand.NewPCG(seed, 0xca9a27))},
		net: rand.New(rand.NewPCG(seed, 0x3e7)), quorum: roster.Quorum(o.Regions), onset: never, over: never, dark: never}
	e.climate.onSeen = e.faultSeen
	base := e.n.r.Float64()
	t := w.Timing.Interval
	for i := range o.Regions {
		phase := base + float64(i)/float64(o.Regions)
		switch o.Rule.Phases {
		case PhasesRandom:
			phase = e.n.r.Float64()
		case PhasesSame:
			phase = base + e.n.r.Float64()/120
		}
		g := newRegion(e, i)
		e.regions = append(e.regions, g)
		if i < o.Dead {
			continue
		}
		e.q.push(event{at: time.Duration((phase - float64(int(phase))) * float64(t)), kind: evSend, who: uint8(i)})
	}
	e.state = newLives(o)
	return e
}

// never is later than any life.
const never = time.Duration(1<<63 - 1)

func (e *engine) time() time.Time { return epoch.Add(e.now) }

// run lives until end, or until stop says so after an event.
func (e *engine) run(end time.Duration, stop func() bool) {
	for len(e.q.heap) > 0 {
		ev := e.q.pop()
		if ev.at >= end {
			e.q.push(ev)
			e.now = end
			return
		}
		e.now = max(e.now, ev.at)
		e.handle(ev)
		if stop != nil && stop() {
			return
		}
	}
}

func (e *engine) handle(ev event) {
	switch ev.kind {
	case evSend:
		g := e.regions[ev.who]
		if ev.what != g.pace {
			return // rescheduled
		}
		g.send(false)
		e.q.push(event{at: e.now + g.interval(), kind: evSend, who: ev.who, what: g.pace})
	case evConfirm:
		e.regions[ev.who].send(true)
	case evResult:
		e.result(ev.what)
	case evDead:
		e.dead(ev.what)
	case evTick:
		e.regions[ev.who].tick()
	case evControl:
		e.regions[ev.who].control()
	case evAsked:
		e.regions[ev.who].asked(int(ev.what))
	case evMessage:
		if e.wire != nil {
			e.wire.hear(int(ev.who), ev.what)
		}
	case evSpeak:
		if e.wire != nil {
			e.wire.coordinatorSpeaks(int(ev.who), ev.what)
		}
	case evDecide:
		if e.wire != nil {
			e.wire.decide(int(ev.who), ev.what)
		}
	}
}

// post makes a canary and the events of its fate.
func (e *engine) post(g *region, confirm bool) {
	g.nth++
	e.sent++
	if confirm {
		e.confirms++
	}
	on, _ := e.climate.fault(g.i, e.now)
	f := e.n.draw(e.now, e.onset, e.over, e.kind, on, e.climate.slowness(e.now), g.nth+g.i)
	var k int32
	if n := len(e.free); n > 0 {
		k = e.free[n-1]
		e.free = e.free[:n-1]
	} else {
		e.mail = append(e.mail, canary{})
		k = int32(len(e.mail) - 1)
	}
	e.ids++
	c := &e.mail[k]
	*c = canary{sent: e.now, fate: f, region: uint8(g.i), confirm: confirm, logged: -1}
	binary.LittleEndian.PutUint64(c.id[:], e.ids)
	if !confirm {
		c.logged = g.account.add(e.now)
	}
	deadline := e.w.Timing.Deadline
	if f.outcome == probes.Failed {
		e.q.push(event{at: e.now + f.after, kind: evResult, what: k})
		return
	}
	g.route.Accepted(e.time(), c.id, e.time())
	if f.outcome == probes.Delivered {
		e.q.push(event{at: e.now + f.after, kind: evResult, what: k})
	}
	if f.outcome == probes.Lost || f.after > deadline {
		e.q.push(event{at: e.now + deadline, kind: evDead, what: k})
	}
	if f.outcome == probes.Lost || f.after > g.stirs() {
		g.tickAt(e.now + g.stirs())
	}
}

// result is a canary's delivery, or failure to be submitted.
func (e *engine) result(k int32) {
	c := e.mail[k]
	e.free = append(e.free, k)
	o := c.fate.outcome
	if c.dead {
		o = probes.Late
	}
	e.regions[c.region].observe(&c, o)
}

// dead is a canary's deadline: a complete scan did not find it.
func (e *engine) dead(k int32) {
	c := &e.mail[k]
	c.dead = true
	cc := *c
	if c.fate.outcome == probes.Lost {
		e.free = append(e.free, k)
	}
	e.regions[cc.region].observe(&cc, probes.Lost)
}

// faultSeen has the controls of a region fail from the first round after from.
func (e *engine) faultSeen(i int, from time.Duration) {
	if e.o.Rule.NoControls {
		return
	}
	g := e.regions[i]
	e.q.push(event{at: g.round(max(from, e.now)), kind: evControl, who: uint8(i)})
}

// stale is for how long a vote may be heard after it was withdrawn, in the worst case
// that matters.
const stale = 10 * time.Second

// wake starts the mesh when what is said on it can matter: q regions say down, or
// did so a moment ago, or too few can tell for a minute. Region g's new vote is yet
// to be spoken.
func (e *engine) wake(g *region, was vote.Vote) {
	down, slow, tell := 0, 0, 0
	for _, x := range e.regions {
		if x.vote.Opinion == vote.Down || e.now-x.leftDown < stale {
			down++
		}
		if x.slow.Opinion == vote.Down {
			slow++
		}
		if o := x.vote.Opinion; o == vote.Down || o == vote.Up {
			tell++
		}
	}
	if tell >= e.quorum {
		e.dark = never
	} else if e.dark == never {
		e.dark = e.now
	}
	if e.wire == nil && (down >= e.quorum || slow >= e.quorum || e.now-e.dark > e.w.Timing.Control && e.now > 4*e.w.Timing.Interval) {
		is := g.vote
		g.vote = was
		e.wire = newWire(e)
		g.vote = is
	}
}
