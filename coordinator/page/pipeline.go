package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"mailquorum/coordinator/store"
	"mailquorum/internal/roster"
)

// Config is what a pipeline needs. All fields but Observe and Log are required;
// Pages and Tickets may be empty.
type Config struct {
	Self    string // this coordinator's name in the roster
	Roster  *roster.Roster
	Store   *store.Store
	Pages   []Chain // every page goes to each chain
	Tickets []Chain // every event with Ticket set goes to each of these instead

	// Needed says whether the event is still true: for a trigger, Send while its
	// incident is open under a fresh certificate and Drop once it has closed; for
	// a resolve, Send once q regions' reports echo the close. It is called from
	// the pipeline's goroutine with no lock held, and must not block.
	Needed func(Event) Need

	Seal   func(body []byte) []byte // signs a body of report.KindPage as Self
	Gossip func(message []byte)     // to all nodes; must not block

	// Observe is told of every attempt: result is "sent", "failed" or "refused".
	Observe func(destination string, action store.Action, result string, took time.Duration)
	Log     *slog.Logger
}

// Pipeline sends what waits in the store's outbox.
type Pipeline struct {
	cfg          Config
	timing       roster.Timing
	coordinators []string
	wake         chan struct{}
	results      chan result

	// Owned by Run's goroutine.
	ready      time.Time // the end of settling
	prune      time.Time
	known      map[store.JobID]*work
	busy       map[sendID]bool // attempts under way
	background sync.WaitGroup
}

// work is what is known of a waiting job since this start.
type work struct {
	event      Event
	chains     []Chain
	seen       time.Time
	deliveries map[string]*delivery // by destination
}

type sendID struct{ key, destination string }

// New checks the configuration.
func New(cfg Config) (*Pipeline, error) {
	p := &Pipeline{
		cfg: cfg, timing: cfg.Roster.Timing.WithDefaults(),
		wake: make(chan struct{}, 1), results: make(chan result),
		known: map[store.JobID]*work{}, busy: map[sendID]bool{},
	}
	if p.cfg.Log == nil {
		p.cfg.Log = slog.New(slog.DiscardHandler)
	}
	if p.cfg.Observe == nil {
		p.cfg.Observe = func(string, store.Action, string, time.Duration) {}
	}
	for _, n := range cfg.Roster.Coordinators() {
		p.coordinators = append(p.coordinators, n.Name)
	}
	if Rank("", cfg.Self, p.coordinators) < 0 {
		return nil, fmt.Errorf("%q is no coordinator of the roster", cfg.Self)
	}
	seen := map[string]bool{}
	for _, chain := range append(append([]Chain{}, cfg.Pages...), cfg.Tickets...) {
		for _, name := range chain.names() {
			if !roster.ValidName(name) {
				return nil, fmt.Errorf("destination %q: not a name", name)
			}
		}
	}
	for _, chains := range [][]Chain{cfg.Pages, cfg.Tickets} {
		clear(seen)
		for _, chain := range chains {
			for _, name := range chain.names() {
				if seen[name] {
					return nil, fmt.Errorf("destination %q stands there twice", name)
				}
				seen[name] = true
			}
		}
	}
	return p, nil
}

// Wake makes the pipeline look at its outbox now: call it after a job was
// committed, and when the answer of Needed may have changed. It never blocks.
func (p *Pipeline) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// keep is how long claims and finished jobs are remembered, in ranks (24 hours).
const keep = 21600

// Run sends until ctx ends, then waits for the attempts under way, which take
// one and a half ranks at most.
func (p *Pipeline) Run(ctx context.Context) {
	p.ready = time.Now().Add(p.timing.Settle)
	defer p.drain()
	for {
		now := time.Now()
		if !now.Before(p.prune) {
			p.cfg.Store.Prune(now.Add(-keep * p.timing.Rank))
			p.prune = now.Add(keep / 24 * p.timing.Rank)
		}
		timer := time.NewTimer(p.pass(ctx, now).Sub(now))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-p.wake:
		case r := <-p.results:
			p.learn(r)
		case <-timer.C:
		}
		timer.Stop()
	}
}

// drain waits for attempts under way.
func (p *Pipeline) drain() {
	go func() { p.background.Wait(); close(p.results) }()
	for r := range p.results {
		p.learn(r)
	}
}

// pass looks at every waiting job and returns when to look again.
func (p *Pipeline) pass(ctx context.Context, now time.Time) time.Time {
	next := p.prune
	waiting := map[store.JobID]bool{}
	for _, j := range p.cfg.Store.Jobs(false) {
		w, err := p.work(now, j)
		if err != nil {
			p.finish(j.JobID, store.Dropped, err.Error())
			continue
		}
		waiting[j.JobID] = true
		if at := p.look(ctx, now, j, w); at.Before(next) {
			next = at
		}
	}
	for id := range p.known {
		if !waiting[id] {
			delete(p.known, id)
		}
	}
	return next
}

func (p *Pipeline) work(now time.Time, j store.Job) (*work, error) {
	if w := p.known[j.JobID]; w != nil {
		return w, nil
	}
	w := &work{seen: now, deliveries: map[string]*delivery{}}
	if err := json.Unmarshal(j.Event, &w.event); err != nil {
		return nil, fmt.Errorf("reading an event of the outbox: %w", err)
	}
	w.chains = p.cfg.Pages
	if w.event.Ticket {
		w.chains = p.cfg.Tickets
	}
	if len(w.chains) == 0 {
		return nil, errors.New("no destination is configured")
	}
	p.known[j.JobID] = w
	return w, nil
}

func (p *Pipeline) finish(id store.JobID, state store.JobState, why string) {
	p.cfg.Store.UpdateJob(id, func(j *store.Job) {
		if j.State == store.Waiting {
			j.State, j.Why, j.Next = state, why, time.Time{}
		}
	})
	p.cfg.Log.Info("page finished", "page", describe(id), "state", string(state), "why", why)
}

func encode(e Event) json.RawMessage {
	b, err := json.Marshal(e)
	if err != nil { // Details that are no JSON: say the rest rather than nothing
		e.Details = map[string]any{"details": "lost: " + err.Error()}
		b, _ = json.Marshal(e)
	}
	return b
}
