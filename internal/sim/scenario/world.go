package scenario

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"mailquorum/coordinator/incident"
	"mailquorum/internal/report"
	"mailquorum/internal/report/reporttest"
	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
)

// world is a story while it runs.
type world struct {
	s      *Scenario
	timing roster.Timing
	now    time.Time
	rand   *rand.Rand
	queue  queue
	serial uint64

	subjects     []incident.Subject // of the outages, by service
	cluster      *reporttest.Cluster
	regions      []*region
	coordinators []*coordinator
	result       *Result

	history []byte    // what routes had learned before
	asleep  bool      // nothing can come of what would be said
	stirred time.Time // newest change of an opinion
	spoken  time.Time // the newest round
	due     time.Time // the next decision
}

// Run tells the story. The same story gives the same result.
func (s *Scenario) Run() *Result {
	w := &world{s: s, timing: s.Roster.Timing.WithDefaults(), now: s.Begin.Add(-warmup), rand: rand.New(rand.NewPCG(s.Seed, 0)),
		cluster: reporttest.New(s.Roster), result: &Result{Scenario: s}}
	for _, x := range s.Roster.Services {
		w.subjects = append(w.subjects, incident.NewSubject(report.Outage, x.Name))
	}
	w.cluster.Now, w.cluster.Hears, w.cluster.Skew = w.now, w.hears, map[string]time.Duration{}
	for i := range s.Roster.Regions {
		w.regions = append(w.regions, newRegion(w, i))
	}
	for i := range s.Roster.Coordinators() {
		w.coordinators = append(w.coordinators, newCoordinator(w, i))
	}
	for i := range s.Effects {
		w.stage(&s.Effects[i])
	}
	for _, x := range s.Expectations {
		if x.what == "state" || x.what == "vote" {
			w.at(x.from, func() { w.result.look(w, x) })
		}
	}
	w.wake()
	for len(w.queue) > 0 && !w.queue[0].at.After(s.End) {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		w.cluster.Now = e.at
		e.do()
	}
	w.now = s.End
	w.result.judge()
	return w.result
}

// stage has an effect do what it does at its beginning and end, beside what the
// world asks it later.
func (w *world) stage(e *Effect) {
	both := func(begin, end func(g *region)) {
		for i, f := range []func(*region){begin, end} {
			at := e.From
			if i == 1 {
				at = e.To
			}
			w.at(at, func() {
				for _, g := range w.regions {
					if e.hits(g.i, -1, -1) {
						f(g)
					}
				}
				w.wake()
			})
		}
	}
	nothing := func(*region) {}
	switch e.Kind {
	case "stopped":
		both(func(g *region) { g.stop() }, func(g *region) { g.start() })
	case "restart":
		both(func(g *region) { g.stop(); g.start() }, nothing)
	case "empty":
		both(func(g *region) { g.forget() }, nothing)
	case "clock":
		both(func(g *region) { g.skew = e.After; w.cluster.Skew[g.name] = e.After }, func(g *region) { g.skew = 0; w.cluster.Skew[g.name] = 0 })
	case "starved", "lies", "split":
		both(nothing, nothing)
	case "reboot":
		w.at(e.From, func() {
			for i, c := range w.coordinators {
				if e.Value == "all" || e.Value == fmt.Sprint(i+1) {
					c.reboot()
				}
			}
			w.wake()
		})
	}
}

// hears says who can talk to whom: a split separates its regions, with all that
// runs there, from the others; who does not run hears nothing.
func (w *world) hears(to, from string) bool {
	a, b := w.place(to), w.place(from)
	for i := range w.s.Effects {
		e := &w.s.Effects[i]
		if e.Kind == "split" && e.at(w.now) && e.hits(a, -1, -1) != e.hits(b, -1, -1) {
			return false
		}
	}
	if n, _ := w.s.Roster.Node(to); n.Role == roster.Agent {
		return !w.regions[a].stopped
	}
	return true
}

// place is the place of a node's region.
func (w *world) place(node string) int {
	n, _ := w.s.Roster.Node(node)
	for i, g := range w.s.Roster.Regions {
		if g.Name == n.Region {
			return i
		}
	}
	return -1
}

// How long nothing must change before the mesh may sleep, and how often it is heard
// while it does.
const (
	calm  = time.Minute
	pulse = 4 * time.Minute
)

// wake has the mesh talk from now on: twice at once, so that all have heard all.
func (w *world) wake() {
	w.stirred = w.now
	if w.asleep || w.due.IsZero() {
		w.asleep = false
		w.round()
	}
	w.round()
	w.plan()
}

// plan asks for the next decision. Reports are spoken when something changes, and
// otherwise as seldom as they may be to stay fresh.
func (w *world) plan() {
	wait := w.timing.Report * 47 / 50 // in step with no schedule
	if w.asleep {
		wait = pulse
	}
	due := w.now.Add(wait)
	w.due = due
	w.at(due, func() {
		if !w.due.Equal(due) {
			return // another was planned since
		}
		switch {
		case w.asleep:
			w.round()
			w.round()
		case w.now.Sub(w.spoken)+w.timing.Report < w.timing.Fresh:
			w.decide()
		default:
			w.round()
		}
		w.asleep = w.now.Sub(w.stirred) > calm && w.boring()
		w.plan()
	})
}

// round lets everybody speak, and the coordinators decide.
func (w *world) round() {
	w.spoken = w.now
	for _, c := range w.coordinators {
		w.cluster.Speak(c.name)
	}
	for _, g := range w.regions {
		if !g.stopped {
			w.cluster.Speak(g.name, g.votes()...)
		}
	}
	w.decide()
}

func (w *world) decide() {
	for _, c := range w.coordinators {
		c.decide()
	}
}

// speak lets one agent say something new, and the coordinators decide.
func (w *world) speak(g *region) {
	if w.asleep {
		return // wake comes first
	}
	w.cluster.Speak(g.name, g.votes()...)
	w.decide()
}

// boring reports whether nothing could come of more rounds in which all say the same.
func (w *world) boring() bool {
	for _, c := range w.coordinators {
		if !c.boring() {
			return false
		}
	}
	return true
}

// event is something to do at a time.
type event struct {
	at     time.Time
	serial uint64
	do     func()
}

// at has something done at a time; in the order of asking where times are equal.
func (w *world) at(t time.Time, do func()) {
	w.serial++
	heap.Push(&w.queue, event{t, w.serial, do})
}

func (w *world) after(d time.Duration, do func()) { w.at(w.now.Add(d), do) }

type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].serial < q[j].serial
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	e := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return e
}

var questions = []report.Question{report.Outage, report.Degraded, report.Account}

func opinionNamed(name string) vote.Opinion {
	var o vote.Opinion
	if o.UnmarshalText([]byte(name)) != nil {
		return vote.Unsettled
	}
	return o
}
