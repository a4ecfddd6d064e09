// Package agent is one region's vantage point: it submits canaries on schedule,
// follows each to its outcome, turns outcomes into this region's votes, and
// reports them to the mesh. Peers may change what is measured, never what is
// concluded.
package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"mailquorum/agent/evidence"
	"mailquorum/agent/journal"
	"mailquorum/coordinator/incident"
	journalfile "mailquorum/internal/journal"
	"mailquorum/internal/mesh"
	"mailquorum/internal/report"
	"mailquorum/internal/roster"
	"mailquorum/internal/telemetry"
	"mailquorum/probes"
	"mailquorum/probes/collect"
	"mailquorum/probes/control"
	"mailquorum/probes/submit"
)

// Retention is how long a canary is followed after it was sent, unless the
// configuration says otherwise.
const Retention = 7 * 24 * time.Hour

// Config is everything an agent needs; nothing is read from elsewhere.
type Config struct {
	Roster     *roster.Roster
	Node       string // this agent's name in the roster
	Key        roster.PrivateKey
	Routes     []Route
	Mailboxes  []collect.Config // Dial, Log and TLS are taken as they are
	Controls   []control.Target
	ControlTLS *tls.Config // nil: the system's roots
	Retention  time.Duration

	Journal  *journal.Journal
	Listener net.Listener // of the mesh
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Metrics  *telemetry.Metrics
	Tracer   trace.TracerProvider // nil: no traces
	Log      *slog.Logger
}

// Route is one directed path of mail.
type Route struct {
	Name    string
	Service string // in the roster
	To      string // recipient address
	Mailbox string // name of the mailbox in which the mail is read
	Submit  submit.Config
	Reuse   bool // keep the connection for the next canary: see submit.Sender
}

// Agent is a running agent. Its state is guarded by one lock, which is never
// held while the network or the disk is waited for.
type Agent struct {
	cfg     Config
	timing  roster.Timing
	node    roster.Node
	index   int
	tagKey  probes.Key
	tracer  trace.Tracer
	mesh    *mesh.Mesh
	routes  []*route
	boxes   map[string]*collect.Mailbox
	metrics *agentMetrics
	log     *slog.Logger
	beat    atomic.Int64  // Unix nanoseconds of the last turn of the tick loop
	news    chan struct{} // capacity 1: something that a vote may depend on
	strays  strays
	trouble trouble

	mu        sync.Mutex
	follow    *follower
	local     *evidence.Local
	board     *report.Board
	shelf     *report.Shelf
	incidents map[incident.Subject]incident.Record
	boot      uint64
	seq       uint64
	outbids   time.Time // when others last knew a higher boot number than ours
	confirms  confirmBudget
	spans     map[probes.ID]trace.Span
}

// route is a route at work.
type route struct {
	Route
	place    int // of its service in the roster
	phase    float64
	evidence *evidence.Route // guarded by Agent.mu
	busy     chan struct{}   // a place for each submission under way
	kick     chan struct{}   // a confirmation is due

	refused   bool           // the newest login was refused, and none has passed since; guarded by Agent.mu
	waiting   int            // canaries that were greylisted; guarded by Agent.mu
	sender    *submit.Sender // nil: one connection each
	dialogues []kept         // of canaries whose outcome is open; guarded by Agent.mu
}

// submissionsAtOnce bounds the submissions under way on one route: with a server
// that hangs they overlap, and none must be skipped for the one before.
const submissionsAtOnce = 4

// New prepares an agent: it reads the journal and joins nothing yet.
func New(cfg Config) (*Agent, error) {
	node, ok := cfg.Roster.Node(cfg.Node)
	if !ok || node.Role != roster.Agent {
		return nil, fmt.Errorf("the roster has no agent named %q", cfg.Node)
	}
	if cfg.Retention == 0 {
		cfg.Retention = Retention
	}
	if cfg.Tracer == nil {
		cfg.Tracer = noop.NewTracerProvider()
	}
	boot, err := cfg.Journal.Boot()
	if errors.Is(err, journalfile.ErrUnwritable) {
		cfg.Log.Error("the journal cannot be written: no canary will be sent until it can", "err", err)
	} else if err != nil {
		return nil, fmt.Errorf("counting this start in the journal: %w", err)
	}
	timing := cfg.Roster.Timing.WithDefaults()
	a := &Agent{
		cfg: cfg, timing: timing, node: node, index: cfg.Roster.NodeIndex(cfg.Node), tagKey: probes.NewKey(cfg.Key.Seed()),
		boot: boot, tracer: cfg.Tracer.Tracer("mailquorum/agent"), boxes: map[string]*collect.Mailbox{},
		log:    cfg.Log.With("node", cfg.Node),
		follow: newFollower(timing.Deadline, cfg.Retention), board: report.NewBoard(cfg.Roster, cfg.Node), shelf: report.NewShelf(),
		incidents: incident.Records(cfg.Roster), spans: map[probes.ID]trace.Span{},
		confirms: newConfirmBudget(timing), news: make(chan struct{}, 1),
	}
	for _, s := range cfg.Roster.Services {
		for _, q := range []report.Question{report.Outage, report.Degraded, report.Account} {
			subject := incident.NewSubject(q, s.Name)
			a.incidents[subject] = incident.NewMachine(cfg.Roster, subject).Record() // the first epoch of this roster
		}
	}
	now := time.Now()
	params := evidence.FromTiming(timing)
	if err := params.Validate(); err != nil {
		return nil, fmt.Errorf("the roster's timing: %w", err)
	}
	a.local = evidence.NewLocal(params)
	if err := a.addRoutes(now, params); err != nil {
		return nil, err
	}
	for _, mc := range cfg.Mailboxes {
		if mc.Backoff == 0 {
			mc.Backoff = readBackoff(timing)
		}
		a.boxes[mc.Name] = collect.New(mc, a.handler(mc.Name))
		a.follow.failed(now, mc.Name) // nobody has looked until now
	}
	for _, r := range a.routes {
		if a.boxes[r.Mailbox] == nil {
			return nil, fmt.Errorf("route %s reads mailbox %q, which is not configured", r.Name, r.Mailbox)
		}
	}
	a.metrics = newAgentMetrics(a)
	return a, a.recall()
}

// addRoutes sets up each configured route, with what it learned before.
func (a *Agent) addRoutes(now time.Time, params evidence.Params) error {
	for _, rc := range a.cfg.Routes {
		place := a.cfg.Roster.ServiceIndex(rc.Service)
		if place < 0 {
			return fmt.Errorf("route %s: the roster has no service %q", rc.Name, rc.Service)
		}
		voters := a.cfg.Roster.Voters(rc.Service)
		at := 0
		for i, v := range voters {
			if v.Name == a.node.Region {
				at = i
			}
		}
		r := &route{Route: rc, place: place, phase: phase(rc.Service, at, len(voters), rc.Name),
			evidence: evidence.NewRoute(withThreshold(params, len(voters)), now), busy: make(chan struct{}, submissionsAtOnce), kick: make(chan struct{}, 4)}
		if rc.Reuse {
			r.sender = submit.NewSender(rc.Submit, submit.Keep{})
		}
		learned, err := a.cfg.Journal.Learned(rc.Name)
		if err != nil {
			return fmt.Errorf("reading what route %s learned: %w", rc.Name, err)
		}
		if learned != nil {
			if err := r.evidence.UnmarshalJSON(learned); err != nil {
				a.log.Warn("starting to learn anew", "route", rc.Name, "err", err)
			}
		}
		a.routes = append(a.routes, r)
	}
	return nil
}

// readBackoff bounds the pause between two attempts to reach a mailbox: what is not
// read is not known, so that it follows the pace of the canaries.
func readBackoff(t roster.Timing) time.Duration {
	return min(max(t.Interval/4, time.Second), 30*time.Second)
}

// threshold3 is the evidence, in nats, at which one of three regions votes down:
// two regions decide there, so that each must be surer than where three do.
const threshold3 = 7.7

// withThreshold fits the threshold of a vote to the number of voters.
func withThreshold(p evidence.Params, voters int) evidence.Params {
	if voters == 3 {
		p.H = threshold3
	}
	return p
}

// recall takes up the canaries that were being followed when the process ended.
func (a *Agent) recall() error {
	now := time.Now()
	n := 0
	err := a.cfg.Journal.Unfinished(now.Add(-a.cfg.Retention), func(c probes.Canary) {
		r := a.route(c.Route)
		if r == nil {
			return // the route was removed; the journal keeps the row
		}
		n++
		if !c.Outcome.Open() {
			return // it stays in the journal until it is seen
		}
		a.follow.add(c, r.Mailbox)
		if !c.Accepted.IsZero() {
			r.evidence.Accepted(now, c.ID, c.Begun())
		}
	})
	if err != nil {
		return fmt.Errorf("reading unfinished canaries: %w", err)
	}
	if n > 0 {
		a.log.Info("following canaries of an earlier run", "canaries", n)
	}
	return nil
}

func (a *Agent) route(name string) *route {
	for _, r := range a.routes {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// Run works until ctx ends, then leaves the mesh, lets the submissions under way
// come to their end, and returns.
func (a *Agent) Run(ctx context.Context) error {
	peers := make([]mesh.Peer, 0, len(a.cfg.Roster.Nodes))
	for _, n := range a.cfg.Roster.Nodes {
		peers = append(peers, mesh.Peer{Name: n.Name, Key: []byte(n.Key), Address: n.Address})
	}
	m, err := mesh.Start(mesh.Config{Name: a.cfg.Node, Key: a.cfg.Key.Crypto(), Peers: peers, Listener: a.cfg.Listener,
		Dial: a.cfg.Dial, Receive: a.receive, State: a.state, Log: a.log})
	if err != nil {
		return fmt.Errorf("starting the mesh: %w", err)
	}
	a.mesh = m
	a.metrics.meshed(m)
	a.log.Info("agent runs", "region", a.node.Region, "routes", len(a.routes), "boot", a.boot)

	var wg sync.WaitGroup
	for name, box := range a.boxes {
		wg.Go(func() {
			if err := box.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				a.log.Error("mailbox given up", "mailbox", name, "err", err)
			}
		})
	}
	for _, r := range a.routes {
		wg.Go(func() { a.schedule(ctx, r, &wg) })
	}
	wg.Go(func() { a.checkControls(ctx) })
	wg.Go(func() { a.speak(ctx) })
	wg.Go(func() { a.pruneJournal(ctx) })
	a.tick(ctx)
	wg.Wait()
	for _, r := range a.routes {
		if r.sender != nil {
			_ = r.sender.Close() // says goodbye; nothing depends on it
		}
	}
	a.remember()
	return m.Close()
}

// Alive reports whether the agent's own loop turned lately: what the service
// manager's watchdog is told.
func (a *Agent) Alive() bool {
	return time.Since(time.Unix(0, a.beat.Load())) < 30*time.Second
}

// remember saves what the routes learned.
func (a *Agent) remember() {
	for _, r := range a.routes {
		a.mu.Lock()
		b, err := r.evidence.MarshalJSON()
		a.mu.Unlock()
		if err == nil {
			err = a.cfg.Journal.SaveLearned(r.Name, b)
		}
		if err != nil {
			a.log.Warn("what a route learned is not saved", "route", r.Name, "err", err)
		}
	}
}

// every calls f at each turn of period until ctx ends.
func every(ctx context.Context, period time.Duration, f func(now time.Time)) {
	t := time.NewTicker(period)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			f(now)
		}
	}
}
