package sim

import (
	"time"

	"mailquorum/agent/evidence"
	"mailquorum/coordinator/incident"
	"mailquorum/internal/report"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// region is one simulated agent: the real evidence, with the schedule, controls
// and confirmation of the agent around it.
type region struct {
	e     *engine
	i     int
	route *evidence.Route
	local *evidence.Local
	nth   int   // canaries so far
	pace  int32 // which schedule is in force

	tokens   float64 // of the confirm budget
	refilled time.Duration
	heardOf  [maxRegions]time.Duration
	askedAt  time.Duration
	jitter   time.Duration // how long it waits before it probes on request

	vote, slow vote.Vote     // as they would be spoken
	leftDown   time.Duration // when it last ceased to vote down
	ticking    bool
	nextTick   time.Duration
	ticks      time.Duration // phase of its seconds

	rounds  time.Duration // phase of its controls
	checked time.Duration // newest round

	account account
	outage  incident.Record // as it knows it
	slowed  incident.Record
	spoke   time.Duration
}

func newRegion(e *engine, i int) *region {
	p := e.o.Rule.params(e.w)
	g := &region{e: e, i: i, route: evidence.NewRoute(p, epoch), local: evidence.NewLocal(p), tokens: confirmTokens,
		askedAt: -never / 2, spoke: -never / 2, leftDown: -never / 2}
	for j := range g.heardOf {
		g.heardOf[j] = -never / 2
	}
	if len(e.o.learned) > 0 {
		if err := g.route.UnmarshalJSON(e.o.learned); err != nil {
			panic(err) // written by the same program
		}
	}
	t := e.w.Timing
	g.jitter = time.Duration(e.n.r.Float64() * float64(t.Confirm) / 5)
	g.ticks = time.Duration(e.n.r.Float64() * float64(t.Alert))
	g.rounds = time.Duration(e.n.r.Float64() * float64(t.Control) / 4)
	return g
}

func (g *region) interval() time.Duration {
	if g.outage.Open() {
		return g.e.w.Timing.Interval / 4
	}
	return g.e.w.Timing.Interval
}

func (g *region) stirs() time.Duration { return g.route.Stirs() }

func (g *region) send(confirm bool) { g.e.post(g, confirm) }

// observe tells the evidence what became of a canary, and speaks at once.
func (g *region) observe(c *canary, o probes.Outcome) {
	now := g.e.time()
	obs := evidence.Observation{ID: c.id, Sent: epoch.Add(c.sent), Outcome: o, Stage: c.fate.stage, Confirm: c.confirm}
	if o == probes.Delivered || o == probes.Late {
		obs.Latency = g.e.now - c.sent
	}
	g.route.Observe(now, obs)
	if c.logged >= 0 {
		g.account.set(c.logged, o)
	}
	g.look()
	if o == probes.Failed && g.route.Suspicious(now) {
		g.ask()
	}
	if g.e.wire != nil {
		g.e.wire.agentSpeaks(g)
	}
}

// look forms the votes anew.
func (g *region) look() {
	now := g.e.time()
	g.controls()
	was, slow := g.vote, g.slow.Opinion
	raw := g.route.Vote(now)
	g.vote = g.local.Judge(now, raw)
	if g.e.o.Rule.Probation {
		others := 0
		for _, x := range g.e.regions {
			if x != g && x.vote.Opinion == vote.Down {
				others++
			}
		}
		g.local.Peers(now, "mail", raw.Opinion == vote.Down, others)
	}
	if g.i < g.e.o.Liars {
		g.vote = vote.Vote{Opinion: vote.Down, Weight: 10, Since: now}
	}
	if g.e.o.Degraded {
		g.slow = g.local.Judge(now, g.route.Slow(now))
	}
	if g.vote.Opinion != was.Opinion || g.slow.Opinion != slow {
		if was.Opinion == vote.Down {
			g.leftDown = g.e.now
		}
		asleep := g.e.wire == nil
		g.e.wake(g, was)
		if asleep && g.e.wire != nil {
			g.e.wire.agentSpeaks(g)
		}
	}
	if !g.route.Calm(now) || g.e.o.Degraded {
		g.tickAt(g.e.now)
	}
}

// tickAt has the region look again at its first tick after t.
func (g *region) tickAt(t time.Duration) {
	s := g.e.w.Timing.Alert
	n := t - (t-g.ticks)%s + s
	if g.ticking && g.nextTick <= n {
		return
	}
	g.ticking, g.nextTick = true, n
	g.e.q.push(event{at: n, kind: evTick, who: uint8(g.i)})
}

func (g *region) tick() {
	if g.e.now != g.nextTick || !g.ticking {
		return // a later one was asked for
	}
	g.ticking = false
	g.look()
	now := g.e.time()
	suspicious := false
	if !g.route.Calm(now) || g.e.wire != nil {
		suspicious = g.route.Suspicious(now)
		if suspicious {
			g.ask()
		}
	}
	if w := g.e.wire; w != nil {
		t := g.e.w.Timing
		if suspicious || g.outage.Open() || g.e.now-g.spoke >= t.Report-t.Alert/2 {
			w.agentSpeaks(g)
		}
		g.tickAt(g.e.now)
	}
}

// Confirmation as the agent does it.
const confirmTokens = 12

func (g *region) ask() {
	e := g.e
	t := e.w.Timing
	if e.o.Rule.NoConfirm || g.outage.Open() || e.now-g.askedAt < t.Interval/4 || g.local.Doubtful(e.time()) {
		return
	}
	g.askedAt = e.now
	g.kickTwice()
	for j, other := range e.regions {
		if other == g || j < e.o.Dead {
			continue
		}
		for range e.o.Network.copies(e.net) {
			e.q.push(event{at: e.now + e.o.Network.delay(e.net), kind: evAsked, who: uint8(j), what: int32(g.i)})
		}
	}
}

func (g *region) asked(origin int) {
	if g.e.now-g.heardOf[origin] < g.e.w.Timing.Interval/4 {
		return
	}
	g.heardOf[origin] = g.e.now
	g.kickTwice()
}

func (g *region) kickTwice() {
	t := g.e.w.Timing
	for _, wait := range []time.Duration{g.jitter, g.jitter + t.Confirm} {
		g.tokens = min(confirmTokens, g.tokens+float64(g.e.now-g.refilled)/float64(t.Interval*5/6))
		g.refilled = g.e.now
		if g.tokens < 1 {
			return
		}
		g.tokens--
		g.e.q.push(event{at: g.e.now + wait, kind: evConfirm, who: uint8(g.i)})
	}
}

// round is the first round of controls at or after t.
func (g *region) round(t time.Duration) time.Duration {
	s := g.e.w.Timing.Control / 4
	k := (t - g.rounds + s - 1) / s
	return g.rounds + max(0, k)*s
}

// controls takes up the rounds that passed since the newest one. Long ago, they
// changed nothing.
func (g *region) controls() {
	if g.e.o.Rule.NoControls {
		return
	}
	s := g.e.w.Timing.Control / 4
	first := max(g.checked+1, g.e.now-12*s)
	for at := g.round(first); at <= g.e.now; at += s {
		g.local.Controls(epoch.Add(at), 3, 3)
		g.checked = at
	}
}

// control is a round that may fail.
func (g *region) control() {
	e := g.e
	if _, seen := e.climate.fault(g.i, e.now); !seen {
		return // the rounds that pass are taken up later
	}
	g.fail()
	e.q.push(event{at: g.round(e.now + 1), kind: evControl, who: uint8(g.i)})
	g.look()
}

func (g *region) fail() {
	g.controls()
	g.checked = g.e.now
	if g.local.Controls(g.e.time(), 0, 3) {
		g.route.Excuse(g.e.time())
	}
}

// account is a region's own account of its scheduled canaries.
type account struct {
	ring []logged
	n    int
}

type logged struct {
	sent    time.Duration
	outcome probes.Outcome
}

const accountSize = 1024

func (a *account) add(sent time.Duration) int {
	if len(a.ring) < accountSize {
		a.ring = append(a.ring, logged{sent, probes.InFlight})
	} else {
		a.ring[a.n%accountSize] = logged{sent, probes.InFlight}
	}
	a.n++
	return a.n - 1
}

func (a *account) set(i int, o probes.Outcome) {
	if i >= a.n-accountSize {
		a.ring[i%accountSize].outcome = o
	}
}

func (a *account) since(t time.Duration) (c report.Count) {
	for _, l := range a.ring {
		if l.sent < t {
			continue
		}
		c.Sent++
		switch l.outcome {
		case probes.Delivered:
			c.Delivered++
		case probes.Late:
			c.Late++
		case probes.Failed:
			c.Failed++
		case probes.Lost:
			c.Lost++
		default:
			c.Pending++
		}
	}
	return c
}
