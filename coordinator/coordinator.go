// Package coordinator decides: it counts the regions' votes, keeps the
// incidents, pages, and shows the state. Any number of coordinators decide
// independently from the same reports by the same pure functions; none leads.
package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"mailquorum/coordinator/incident"
	"mailquorum/coordinator/page"
	"mailquorum/coordinator/store"
	"mailquorum/coordinator/verdict"
	"mailquorum/internal/journal"
	"mailquorum/internal/mesh"
	"mailquorum/internal/report"
	"mailquorum/internal/roster"
	"mailquorum/internal/telemetry"
)

// Config is everything a coordinator needs; nothing is read from elsewhere.
type Config struct {
	Roster       *roster.Roster
	Node         string // this coordinator's name in the roster
	Key          roster.PrivateKey
	Store        *store.Store
	Destinations []page.Destination // none: nobody is paged
	Severity     string             // of an outage: critical, error, warning or info; default critical
	Listener     net.Listener       // of the mesh
	Dial         func(ctx context.Context, network, address string) (net.Conn, error)
	URL          string // of the status page, for links in pages; may be empty
	Version      string
	Metrics      *telemetry.Metrics
	Log          *slog.Logger
	Observe      func(incident.Notice) // called with each notice, from the deciding loop; may be nil
}

// Coordinator is a running coordinator. Its state is guarded by one lock, which
// is never held while the network or the disk is waited for.
type Coordinator struct {
	cfg     Config
	timing  roster.Timing
	node    roster.Node
	started time.Time
	pages   *page.Pipeline
	mesh    *mesh.Mesh
	metrics *coordinatorMetrics
	log     *slog.Logger
	beat    atomic.Int64  // Unix nanoseconds of the last turn of the loop
	dirty   chan struct{} // capacity 1: something was heard
	heard   chan incident.Record

	unproven map[incident.Subject]unproven // owned by the deciding loop

	mu       sync.Mutex
	board    *report.Board
	shelf    *report.Shelf
	machines map[incident.Subject]*incident.Machine // the certified subjects
	verdicts map[incident.Subject]verdict.Verdict   // the newest
	outage   map[string]time.Time                   // when an outage of each service was last open
	since    map[string]lit                         // since when each service's light shows what it does
	boot     uint64
	seq      uint64
	outbids  time.Time // when others last knew a higher boot number than ours
	suspects suspects
}

// questions are what is decided about each service.
var questions = []report.Question{report.Outage, report.Degraded, report.Account}

// New prepares a coordinator: it takes up what the store holds and joins nothing yet.
func New(cfg Config) (*Coordinator, error) {
	node, ok := cfg.Roster.Node(cfg.Node)
	if !ok || node.Role != roster.Coordinator {
		return nil, fmt.Errorf("the roster has no coordinator named %q", cfg.Node)
	}
	boot, err := cfg.Store.Boot()
	if err != nil && !errors.Is(err, journal.ErrUnwritable) {
		return nil, fmt.Errorf("counting this start in the journal: %w", err)
	}
	c := &Coordinator{
		cfg: cfg, timing: cfg.Roster.Timing.WithDefaults(), node: node, boot: boot, started: time.Now(),
		log: cfg.Log.With("node", cfg.Node), dirty: make(chan struct{}, 1), heard: make(chan incident.Record, 64),
		board: report.NewBoard(cfg.Roster, cfg.Node), shelf: report.NewShelf(),
		machines: map[incident.Subject]*incident.Machine{}, verdicts: map[incident.Subject]verdict.Verdict{},
		outage: map[string]time.Time{}, since: map[string]lit{}, unproven: map[incident.Subject]unproven{}, suspects: newSuspects(),
	}
	for _, s := range cfg.Roster.Services {
		for _, q := range questions {
			subject := incident.NewSubject(q, s.Name)
			c.machines[subject] = incident.NewMachine(cfg.Roster, subject)
		}
	}
	for _, saved := range cfg.Store.Machines() {
		m, ok := c.machines[incident.Subject(saved.Subject)]
		if !ok {
			continue // a service that left the roster
		}
		if err := m.Restore(saved.Snapshot); err != nil {
			return nil, fmt.Errorf("taking up %s from the journal: %w", saved.Subject, err)
		}
	}
	c.pages, err = page.New(c.pageConfig())
	if err != nil {
		return nil, err
	}
	c.metrics = newCoordinatorMetrics(c)
	return c, nil
}

// Run works until ctx ends, then leaves the mesh and returns.
func (c *Coordinator) Run(ctx context.Context) error {
	peers := make([]mesh.Peer, 0, len(c.cfg.Roster.Nodes))
	for _, n := range c.cfg.Roster.Nodes {
		peers = append(peers, mesh.Peer{Name: n.Name, Key: []byte(n.Key), Address: n.Address})
	}
	// Whatever is received waits here until the field below is set.
	c.mu.Lock()
	m, err := mesh.Start(mesh.Config{Name: c.cfg.Node, Key: c.cfg.Key.Crypto(), Peers: peers, Listener: c.cfg.Listener,
		Dial: c.cfg.Dial, Receive: c.receive, State: c.state, Log: c.log})
	c.mesh = m
	c.mu.Unlock()
	if err != nil {
		return fmt.Errorf("starting the mesh: %w", err)
	}
	c.metrics.meshed(m)
	c.log.Info("coordinator runs", "region", c.node.Region, "services", len(c.cfg.Roster.Services), "boot", c.boot)
	c.announce()

	var wg sync.WaitGroup
	wg.Go(func() { c.pages.Run(ctx) })
	wg.Go(func() { c.speak(ctx) })
	c.loop(ctx)
	wg.Wait()
	return m.Close()
}

// Alive reports whether the deciding loop turned lately: what the service
// manager's watchdog is told.
func (c *Coordinator) Alive() bool {
	return time.Since(time.Unix(0, c.beat.Load())) < 30*time.Second
}

// Healthy returns an error when the deciding loop does not turn.
func (c *Coordinator) Healthy() error {
	if !c.Alive() {
		return errors.New("the deciding loop does not turn")
	}
	return nil
}

// Ready returns nil once it has listened for Timing.Settle and decides.
func (c *Coordinator) Ready() error {
	if left := c.timing.Settle - time.Since(c.started); left > 0 {
		return fmt.Errorf("still listening for %v before it decides", left.Truncate(time.Millisecond))
	}
	return c.Healthy()
}

// speak sends this node's own report: it has no votes, and lets everybody bound
// the age of what they hear.
func (c *Coordinator) speak(ctx context.Context) {
	last := time.Time{}
	tick := time.NewTicker(c.timing.Alert)
	defer tick.Stop()
	for {
		now := time.Now()
		if now.Sub(last) >= c.timing.Report-c.timing.Alert/2 || c.anyOpen() {
			last = now
			c.utter(now)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (c *Coordinator) anyOpen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.machines {
		if m.Record().Open() {
			return true
		}
	}
	return false
}

func (c *Coordinator) utter(now time.Time) {
	c.outbid(now)
	c.mu.Lock()
	c.seq++
	rep := report.Report{Roster: c.cfg.Roster.Hash(), Boot: c.boot, Seq: c.seq, Wall: now.UnixMilli(), Echo: c.board.Echo()}
	c.board.Spoke(now, c.boot, c.seq)
	raw := rep.Seal(c.cfg.Roster.Cluster, c.cfg.Node, c.cfg.Key)
	if e, err := report.Parse(raw); err == nil {
		c.board.Accept(now, e, raw) // so that push/pull hands it on
	}
	c.mu.Unlock()
	c.mesh.Send(raw)
}

// gossip signs and sends a message that is not a report, and keeps it for
// latecomers.
func (c *Coordinator) gossip(kind report.Kind, slot string, body []byte) []byte {
	raw := report.Seal(c.cfg.Roster.Cluster, kind, c.cfg.Node, c.cfg.Key, body)
	c.mu.Lock()
	c.shelf.Fresh(raw)
	c.shelf.Put(slot, raw)
	m := c.mesh
	c.mu.Unlock()
	if m != nil {
		m.Send(raw)
	}
	return raw
}

// announce tells the mesh of every incident that the journal remembers.
func (c *Coordinator) announce() {
	for subject := range c.machines {
		c.mu.Lock()
		rec := c.machines[subject].Record()
		c.mu.Unlock()
		if rec.Opened > incident.Genesis(c.cfg.Roster) {
			c.gossip(report.KindIncident, "incident/"+string(subject)+"/"+c.cfg.Node, report.Marshal(&rec))
		}
	}
}
