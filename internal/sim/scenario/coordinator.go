package scenario

import (
	"slices"

	"mailquorum/coordinator/incident"
	"mailquorum/coordinator/verdict"
	"mailquorum/internal/report"
)

// coordinator is one coordinator: the real verdicts and incidents.
type coordinator struct {
	w        *world
	name     string
	machines []*incident.Machine // by service and question
	verdicts []verdict.Verdict
	told     map[incident.Subject]bool // episodes that it has begun to tell of
}

func newCoordinator(w *world, i int) *coordinator {
	c := &coordinator{w: w, name: w.s.Roster.Coordinators()[i].Name, told: map[incident.Subject]bool{}}
	w.cluster.Board(c.name)
	for _, s := range w.s.Roster.Services {
		for _, q := range questions {
			c.machines = append(c.machines, incident.NewMachine(w.s.Roster, incident.NewSubject(q, s.Name)))
		}
	}
	c.verdicts = make([]verdict.Verdict, len(c.machines))
	return c
}

// reboot is a restart from the journal.
func (c *coordinator) reboot() {
	for i, m := range c.machines {
		fresh := incident.NewMachine(c.w.s.Roster, m.Subject())
		if err := fresh.Restore(m.Snapshot()); err != nil {
			panic("scenario: " + err.Error()) // written by the same program
		}
		c.machines[i] = fresh
	}
	c.w.cluster.Restart(c.name)
}

// decide tallies all questions about all services, and gossips what is proved.
func (c *coordinator) decide() {
	w := c.w
	if w.now.Before(w.s.Begin) {
		return // all learn
	}
	board := w.cluster.Board(c.name)
	for i, m := range c.machines {
		q, service := questions[i%len(questions)], w.s.Roster.Services[i/len(questions)].Name
		v := verdict.Tally(q, service, m.Record().Epoch(), verdict.Collect(board, w.s.Roster, q, service, w.now), w.now)
		c.verdicts[i] = v
		c.tell(m.Step(w.now, v))
		if q != report.Account {
			c.gossip(i)
		}
	}
}

// gossip gives a record to everybody who does not know it and can be reached.
func (c *coordinator) gossip(i int) {
	rec := c.machines[i].Record()
	for _, x := range c.w.coordinators {
		if x == c || !c.w.hears(x.name, c.name) {
			continue
		}
		if own := x.machines[i].Record(); own.Opened == rec.Opened && own.Closed == rec.Closed &&
			own.Blinds >= rec.Blinds && own.Regionals >= rec.Regionals {
			continue
		}
		notices, err := x.machines[i].Merge(c.w.now, rec)
		if err != nil {
			c.w.result.fault("%s refuses a record of %s: %v", x.name, c.name, err)
		}
		x.tell(notices)
	}
	for _, g := range c.w.regions {
		if !g.stopped && c.w.hears(g.name, c.name) {
			g.hear(rec)
		}
	}
}

// tell writes down what the coordinator says.
func (c *coordinator) tell(notices []incident.Notice) {
	for _, n := range notices {
		switch n.Kind {
		case incident.NoticeRegional, incident.NoticeBlind:
			c.told[n.Subject] = true
		case incident.NoticeRegionalOver, incident.NoticeBlindOver:
			delete(c.told, n.Subject)
		}
		c.w.stirred = c.w.now
		c.w.result.Said = append(c.w.result.Said, Said{Coordinator: slices.Index(c.w.coordinators, c) + 1, Notice: n})
	}
}

// boring reports whether the same votes again would change nothing, however long.
func (c *coordinator) boring() bool {
	for i, m := range c.machines {
		v, state := c.verdicts[i], m.State()
		if v.N == 0 {
			return c.w.now.Before(c.w.s.Begin)
		}
		service := v.Service
		blind, regional := c.told[incident.Subject("blind/"+service)], c.told[incident.Subject("regional/"+service)]
		open := state == incident.StateOpen
		dull := false
		switch v.Question {
		case report.Outage:
			switch {
			case v.Blind():
				dull = blind
			case v.Opens():
				dull = open && !blind
			case v.State == verdict.Regional:
				dull = regional && !blind && (state == "" || state == incident.StateClosed)
			default:
				dull = !regional && !blind && (state == "" || state == incident.StateClosed)
			}
		case report.Degraded:
			dull = v.Opens() == open && state != incident.StateRecovering
		case report.Account:
			dull = (v.Down > 0) == open
		}
		if !dull {
			return false
		}
	}
	return true
}
