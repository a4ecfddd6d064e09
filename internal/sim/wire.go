package sim

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"time"

	"mailquorum/coordinator/incident"
	"mailquorum/coordinator/verdict"
	"mailquorum/internal/report"
	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
)

// Network is how messages of the mesh fare between two nodes. Each receiver
// passes a report that is news to it on to two others.
type Network struct {
	Loss  float64       // share of messages lost
	Twice float64       // share that arrives twice
	Delay time.Duration // least
	Extra time.Duration // mean of the exponential delay beyond it: messages overtake each other
}

// DefaultNetwork loses one message in twenty.
func DefaultNetwork() Network {
	return Network{Loss: 0.05, Twice: 0.01, Delay: 30 * time.Millisecond, Extra: 100 * time.Millisecond}
}

func (n Network) copies(r *rand.Rand) int {
	switch u := r.Float64(); {
	case u < n.Loss:
		return 0
	case u < n.Loss+n.Twice:
		return 2
	}
	return 1
}

func (n Network) delay(r *rand.Rand) time.Duration {
	return n.Delay + time.Duration(r.ExpFloat64()*float64(n.Extra))
}

const service = "mail"

// cluster is the roster of a simulated monitor with its keys: the same for every life.
type cluster struct {
	roster *roster.Roster
	keys   []roster.PrivateKey
	digest [8]byte // of the roster
}

func newCluster(o *Options) *cluster {
	c := &cluster{roster: &roster.Roster{Cluster: "sim", Version: 1, Timing: o.World.Timing,
		Services: []roster.Service{{Name: service, Provider: "provider"}}}}
	node := func(role roster.Role, i int) {
		region := fmt.Sprintf("r%d", i)
		var seed [32]byte
		copy(seed[:], fmt.Sprintf("%s %s", role, region))
		key, err := roster.ParsePrivateKey([]byte("mqkey:" + base64.RawURLEncoding.EncodeToString(seed[:])))
		if err != nil {
			panic(err) // 32 bytes
		}
		c.keys = append(c.keys, key)
		c.roster.Nodes = append(c.roster.Nodes, roster.Node{Name: fmt.Sprintf("%s-%s", role, region), Role: role, Region: region,
			Key: key.Public(), Address: "sim:1", Credentials: region})
	}
	for i := range o.Regions {
		region := roster.Region{Name: fmt.Sprintf("r%d", i)}
		if i < len(o.Domains) {
			region.Domain = o.Domains[i]
		}
		c.roster.Regions = append(c.roster.Regions, region)
		node(roster.Agent, i)
	}
	for i := range o.Coordinators {
		node(roster.Coordinator, i%o.Regions)
	}
	c.digest = c.roster.Hash()
	return c
}

// lives is what coordinators remember while the mesh is asleep.
type lives struct {
	machines [][2]*incident.Machine // by coordinator: outage, degraded
	seq      uint64
	pages    map[string]bool // keys under which somebody was paged
}

var questions = [2]report.Question{report.Outage, report.Degraded}

func newLives(o *Options) *lives {
	l := &lives{pages: map[string]bool{}}
	for range o.Coordinators {
		var m [2]*incident.Machine
		for i, q := range questions {
			m[i] = incident.NewMachine(o.cluster.roster, incident.NewSubject(q, service))
		}
		l.machines = append(l.machines, m)
	}
	return l
}

// wire is the mesh while it matters: real reports, signed and checked, on real
// boards, tallied and stepped by the real coordinators' code. Agents only note what
// they have heard, to echo it. While fewer than q regions say down the mesh sleeps,
// for nothing could come of what is said; when it wakes, all have heard of the others
// what they said before.
type wire struct {
	e        *engine
	boards   []*report.Board // of the coordinators
	echoes   [][]report.Echo // by node: what it has heard
	seq      []uint64
	inbox    []parcel
	free     []int32
	serial   int32  // of this waking: events of an earlier one are void
	deciding []bool // a decision is due
	talked   []time.Duration
	quiet    time.Duration // since when nothing could come of it
}

type parcel struct {
	raw    []byte
	env    report.Envelope
	record *incident.Record
	refs   int
	again  bool // passed on already
}

func newWire(e *engine) *wire {
	ro := e.o.cluster.roster
	w := &wire{e: e, seq: make([]uint64, len(ro.Nodes)), deciding: make([]bool, len(ro.Nodes)), talked: make([]time.Duration, len(ro.Nodes)), quiet: e.now}
	e.state.seq += 1 << 20
	for i, n := range ro.Nodes {
		w.echoes = append(w.echoes, make([]report.Echo, len(ro.Nodes)))
		if i >= e.o.Regions {
			w.boards = append(w.boards, report.NewBoard(ro, n.Name))
		}
	}
	w.serial = int32(e.state.seq >> 20)
	// All have talked all the while: twice around, at once.
	for round := range 2 {
		for i := range ro.Nodes {
			if i < e.o.Dead {
				continue
			}
			raw, env := w.compose(i)
			for j := range ro.Nodes {
				if j != i && (round == 1 || j < e.o.Regions || i >= e.o.Regions) {
					w.take(j, env, raw)
				}
			}
		}
	}
	for i, n := range ro.Nodes {
		switch {
		case n.Role == roster.Coordinator:
			w.talked[i] = e.now
			e.q.push(event{at: e.now + time.Duration(e.net.Float64()*float64(e.w.Timing.Alert)), kind: evSpeak, who: uint8(i), what: w.serial})
		case i >= e.o.Dead:
			e.regions[i].spoke = e.now
			e.regions[i].tickAt(e.now)
		}
	}
	return w
}

// compose makes and signs the newest report of a node, and puts it on its own board.
func (w *wire) compose(i int) ([]byte, report.Envelope) {
	e := w.e
	ro := e.o.cluster.roster
	w.seq[i]++
	seq := e.state.seq + w.seq[i]
	now := e.time()
	rep := report.Report{Roster: e.o.cluster.digest, Boot: 1, Seq: seq, Wall: now.UnixMilli()}
	for j, echo := range w.echoes[i] {
		if echo.Boot > 0 && j != i {
			rep.Echo = append(rep.Echo, echo)
		}
	}
	if i < e.o.Regions {
		g := e.regions[i]
		var count report.Count
		if g.outage.Open() {
			count = g.account.since(g.outage.OnsetTime().Sub(epoch))
		}
		rep.Votes = append(rep.Votes, report.MakeVote(report.Outage, 0, g.outage.Epoch(), g.vote, count))
		if e.o.Degraded {
			rep.Votes = append(rep.Votes, report.MakeVote(report.Degraded, 0, g.slowed.Epoch(), g.slow, report.Count{}))
		}
	}
	raw := rep.Seal(ro.Cluster, ro.Nodes[i].Name, e.o.cluster.keys[i])
	env, err := report.Parse(raw)
	if err != nil {
		panic(fmt.Sprintf("sim: own report: %v", err))
	}
	if c := i - e.o.Regions; c >= 0 {
		w.boards[c].Spoke(now, 1, seq)
	}
	return raw, env
}

// take gives a node a report, and says whether it was news.
func (w *wire) take(j int, env report.Envelope, raw []byte) bool {
	if c := j - w.e.o.Regions; c >= 0 {
		if _, err := w.boards[c].Accept(w.e.time(), env, raw); err != nil {
			return false
		}
	}
	rep, err := report.Open(env)
	if err != nil {
		return false
	}
	i := w.e.o.cluster.roster.NodeIndex(env.Node)
	if known := &w.echoes[j][i]; known.Seq < rep.Seq {
		*known = report.Echo{Node: uint16(i), Boot: rep.Boot, Seq: rep.Seq}
		return true
	}
	return false
}

// send gives a message to every other node, or to some.
func (w *wire) send(from int, p parcel, to ...int) {
	var k int32
	if n := len(w.free); n > 0 {
		k = w.free[n-1]
		w.free = w.free[:n-1]
	} else {
		w.inbox = append(w.inbox, parcel{})
		k = int32(len(w.inbox) - 1)
	}
	p.refs = 0
	deliver := func(j int) {
		if j == from || j < w.e.o.Dead {
			return
		}
		for range w.e.o.Network.copies(w.e.net) {
			p.refs++
			w.e.q.push(event{at: w.e.now + w.e.o.Network.delay(w.e.net), kind: evMessage, who: uint8(j), what: k | (w.serial&0x7fff)<<16})
		}
	}
	if len(to) == 0 {
		for j := range w.echoes {
			deliver(j)
		}
	}
	for _, j := range to {
		deliver(j)
	}
	if p.refs == 0 {
		w.free = append(w.free, k)
		return
	}
	w.inbox[k] = p
}

// hear takes a message that arrives at node j.
func (w *wire) hear(j int, what int32) {
	if what>>16 != w.serial&0x7fff {
		return // sent before the mesh last slept
	}
	k := what & 0xffff
	p := w.inbox[k]
	if w.inbox[k].refs--; w.inbox[k].refs == 0 {
		w.inbox[k] = parcel{}
		w.free = append(w.free, k)
	}
	if p.record != nil {
		w.heardRecord(j, *p.record)
		return
	}
	if !w.take(j, p.env, p.raw) {
		return
	}
	if !p.again {
		p.again = true
		n := len(w.echoes)
		w.send(j, p, w.e.net.IntN(n), w.e.net.IntN(n))
	}
	if j >= w.e.o.Regions && !w.deciding[j] {
		w.deciding[j] = true
		w.e.q.push(event{at: w.e.now + w.e.w.Timing.Alert/20, kind: evDecide, who: uint8(j), what: w.serial})
	}
}

func (w *wire) heardRecord(j int, r incident.Record) {
	e := w.e
	k := 0
	if r.Subject.Kind() == incident.Degraded {
		k = 1
	}
	if j >= e.o.Regions {
		c := j - e.o.Regions
		notices, err := e.state.machines[c][k].Merge(e.time(), r)
		if err != nil {
			panic(fmt.Sprintf("sim: a true record was refused: %v", err))
		}
		w.act(notices)
		return
	}
	g := e.regions[j]
	known := &g.outage
	if k == 1 {
		known = &g.slowed
	}
	before := known.Open()
	merged := r
	if known.Subject != "" {
		merged = incident.Merge(*known, r)
	}
	*known = merged
	if k == 0 && before != g.outage.Open() { // another pace
		g.pace++
		wait := time.Duration(e.n.r.Float64() * float64(g.interval()))
		e.q.push(event{at: e.now + wait, kind: evSend, who: uint8(j), what: g.pace})
	}
}

// agentSpeaks sends a region's report.
func (w *wire) agentSpeaks(g *region) {
	g.spoke = w.e.now
	raw, env := w.compose(g.i)
	w.send(g.i, parcel{raw: raw, env: env})
}

// coordinatorSpeaks is a coordinator's second: it decides, and speaks when it is time.
func (w *wire) coordinatorSpeaks(i int, serial int32) {
	if serial != w.serial {
		return
	}
	t := w.e.w.Timing
	c := i - w.e.o.Regions
	open := w.e.state.machines[c][0].Record().Open() || w.e.state.machines[c][1].Record().Open()
	if open || w.e.now-w.talked[i] >= t.Report-t.Alert/2 {
		w.talked[i] = w.e.now
		raw, env := w.compose(i)
		w.send(i, parcel{raw: raw, env: env})
		for _, m := range w.e.state.machines[c] { // as push/pull does
			if r := m.Record(); r.Opened > incident.Genesis(w.e.o.cluster.roster) {
				w.send(i, parcel{record: &r})
			}
		}
	}
	w.e.q.push(event{at: w.e.now + t.Alert, kind: evSpeak, who: uint8(i), what: w.serial})
	w.decide(i, serial)
	if c == 0 {
		w.rest()
	}
}

// decide is one coordinator's decision.
func (w *wire) decide(i int, serial int32) {
	if serial != w.serial {
		return
	}
	w.deciding[i] = false
	e := w.e
	now := e.time()
	for k, q := range questions {
		if k == 1 && !e.o.Degraded {
			continue
		}
		m := e.state.machines[i-e.o.Regions][k]
		before := m.Record()
		v := verdict.Tally(q, service, before.Epoch(), verdict.Collect(w.boards[i-e.o.Regions], e.o.cluster.roster, q, service, now), now)
		w.act(m.Step(now, v))
		if after := m.Record(); after.Opened != before.Opened || after.Closed != before.Closed {
			w.send(i, parcel{record: &after})
		}
	}
}

// act takes the notices of one coordinator. The others give the same under the same key.
func (w *wire) act(notices []incident.Notice) {
	e := w.e
	for _, n := range notices {
		id := string(n.Kind) + n.Key
		if e.state.pages[id] {
			continue
		}
		e.state.pages[id] = true
		switch {
		case n.Kind == incident.NoticeOpened && n.Subject.Kind() == incident.Outage:
			e.opened = append(e.opened, e.now)
		case n.Kind == incident.NoticeOpened && n.Subject.Kind() == incident.Degraded:
			e.degraded = append(e.degraded, e.now)
		case n.Kind == incident.NoticeClosed && n.Subject.Kind() == incident.Outage:
			e.closed = append(e.closed, e.now)
		case n.Kind == incident.NoticeBlind:
			e.blind++
		}
	}
}

// rest puts the mesh to sleep once nothing has been able to come of it for a while.
func (w *wire) rest() {
	e := w.e
	down, tell := 0, 0
	for _, g := range e.regions {
		if o := g.vote.Opinion; o == vote.Down || g.slow.Opinion == vote.Down {
			down++
			tell++
		} else if o == vote.Up {
			tell++
		}
	}
	busy := down >= e.quorum || tell < e.quorum
	for _, m := range e.state.machines {
		busy = busy || m[0].Record().Open() || m[1].Record().Open()
	}
	for _, g := range e.regions {
		busy = busy || g.outage.Open() || g.slowed.Open()
	}
	if busy {
		w.quiet = e.now
	} else if e.now-w.quiet > e.w.Timing.CloseHold {
		e.wire = nil
	}
}
