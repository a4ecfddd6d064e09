// Package demo is a whole world in one process: a mail provider with faults,
// five regions, three coordinators on a real mesh, and a paging service. The
// command `mailquorum demo` tells its story over loopback, and the tests play
// the same world in virtual time over an in-memory network.
package demo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"mailquorum/agent"
	"mailquorum/agent/journal"
	"mailquorum/coordinator"
	"mailquorum/coordinator/incident"
	"mailquorum/coordinator/page"
	"mailquorum/coordinator/page/pagerduty"
	"mailquorum/coordinator/page/pagerduty/pagerdutytest"
	"mailquorum/coordinator/store"
	"mailquorum/internal/roster"
	"mailquorum/internal/secret"
	"mailquorum/internal/telemetry"
	"mailquorum/probes"
	"mailquorum/probes/collect"
	"mailquorum/probes/control"
	"mailquorum/probes/mailtest"
	"mailquorum/probes/submit"
)

// Service is the name of the one service in the world.
const Service = "acme-inbound"

// regions of the world, with their failure domains.
var regions = []roster.Region{
	{Name: "eu-west", Domain: "cloud-a"}, {Name: "us-east", Domain: "cloud-a"}, {Name: "ap-south", Domain: "cloud-b"},
	{Name: "sa-east", Domain: "cloud-b"}, {Name: "eu-north", Domain: "cloud-c"},
}

const (
	routingKey   = "demo0000demo0000demo0000demo0000"
	providerHost = "mail.acme.test"
	smtps        = providerHost + ":465"
	imaps        = providerHost + ":993"
	pagerHost    = "events.pager.test"
	coordinators = 3
)

// Options are what can be chosen about a world.
type Options struct {
	Fabric   Fabric
	Dir      string // for the journals
	Timing   roster.Timing
	Transit  time.Duration // the provider's healthy delay
	Controls int           // targets outside the provider; three or more are advised
	Version  string
	Log      *slog.Logger
	Observe  func(node string, n incident.Notice) // may be nil
}

// World is a running world.
type World struct {
	opt      Options
	Roster   *roster.Roster
	Provider *mailtest.Provider
	Pager    *pagerdutytest.Server
	Agents   map[string]*Node[*agent.Agent]
	Coords   map[string]*Node[*coordinator.Coordinator]

	ca       *mailtest.CA
	address  map[string]string // of the provider's services
	keys     map[string]roster.PrivateKey
	targets  []control.Target
	pagerURL string
	journals map[string]*journal.Journal
	closers  []func() error
}

// Node is a daemon of the world, which can be stopped and started again.
type Node[T any] struct {
	Daemon  T
	Metrics *telemetry.Metrics
	stop    context.CancelFunc
	done    chan struct{}
	close   func() error
}

// Stop ends the daemon and closes what it had open.
func (n *Node[T]) Stop() error {
	n.stop()
	<-n.done
	return n.close()
}

// NewWorld builds and starts everything.
func NewWorld(opt Options) (*World, error) {
	w := &World{opt: opt, Agents: map[string]*Node[*agent.Agent]{}, Coords: map[string]*Node[*coordinator.Coordinator]{},
		keys: map[string]roster.PrivateKey{}, address: map[string]string{}, journals: map[string]*journal.Journal{}}
	if err := w.start(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *World) start() error {
	if err := w.startProvider(); err != nil {
		return err
	}
	if err := w.startControls(); err != nil {
		return err
	}
	if err := w.startPager(); err != nil {
		return err
	}
	listeners, err := w.enroll()
	if err != nil {
		return err
	}
	for _, n := range w.Roster.Nodes {
		if err := w.StartNode(n.Name, listeners[n.Name]); err != nil {
			return fmt.Errorf("starting %s: %w", n.Name, err)
		}
	}
	return nil
}

func (w *World) startProvider() (err error) {
	if w.ca, err = mailtest.NewCA(); err != nil {
		return err
	}
	users := make([]mailtest.User, len(regions))
	for i, g := range regions {
		users[i] = mailtest.User{Name: "canary-" + g.Name, Password: "demo-" + g.Name}
	}
	w.Provider, err = mailtest.StartProvider(mailtest.ProviderConfig{
		Listen: w.listenProvider,
		Host:   providerHost, Domain: "acme.test", SMTPS: smtps, IMAPS: imaps,
		Users: users, CA: w.ca, Names: []string{"127.0.0.1"}, Log: w.opt.Log.With("node", "provider"),
	})
	if err != nil {
		return fmt.Errorf("starting the provider: %w", err)
	}
	w.closers = append(w.closers, w.Provider.Close)
	w.Provider.SetTransit(func(string) time.Duration { return w.opt.Transit })
	return nil
}

// listenProvider opens a port of the provider: any one at first, and the same
// one again when it comes back, for the agents know its address.
func (w *World) listenProvider(service string) (net.Listener, error) {
	_, port, err := net.SplitHostPort(service)
	if err != nil {
		return nil, err
	}
	again := w.address[service]
	for _, known := range w.address {
		if _, p, _ := net.SplitHostPort(known); p == port {
			again = known // asked for by the port that was picked
		}
	}
	l, err := w.opt.Fabric.Listen(providerHost, again)
	if err == nil && again == "" {
		w.address[service] = l.Addr().String()
	}
	return l, err
}

// startControls starts what is not the provider: servers that answer a TLS
// handshake.
func (w *World) startControls() error {
	for i := range w.opt.Controls {
		host := fmt.Sprintf("control-%d.test", i+1)
		cert, err := w.ca.Leaf(host, "127.0.0.1")
		if err != nil {
			return err
		}
		l, err := w.opt.Fabric.Listen(host, "")
		if err != nil {
			return err
		}
		w.targets = append(w.targets, control.Target{Name: fmt.Sprintf("control-%d", i+1), Kind: control.TLS, Address: l.Addr().String()})
		srv := &http.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, Handler: http.NotFoundHandler(), ErrorLog: quiet()}
		w.serve(func() error { return srv.ServeTLS(l, "", "") }, srv.Close)
	}
	return nil
}

func (w *World) startPager() error {
	l, err := w.opt.Fabric.Listen(pagerHost, "")
	if err != nil {
		return err
	}
	w.Pager = &pagerdutytest.Server{}
	w.pagerURL = "http://" + l.Addr().String()
	srv := &http.Server{Handler: w.Pager, ErrorLog: quiet()}
	w.serve(func() error { return srv.Serve(l) }, srv.Close)
	return nil
}

// serve runs a server until its closer is called, and waits for its end.
func (w *World) serve(run func() error, stop func() error) {
	var wg sync.WaitGroup
	wg.Go(func() { run() })
	w.closers = append(w.closers, func() error {
		err := stop()
		wg.Wait()
		return err
	})
}

// enroll makes keys, opens each node's mesh port and writes the roster.
func (w *World) enroll() (map[string]net.Listener, error) {
	w.Roster = &roster.Roster{Cluster: "demo", Regions: regions, Timing: w.opt.Timing,
		Services: []roster.Service{{Name: Service, Provider: "acme"}}}
	listeners := map[string]net.Listener{}
	add := func(name string, role roster.Role, region string) error {
		l, err := w.opt.Fabric.Listen(name, "")
		if err != nil {
			return err
		}
		listeners[name] = l
		w.keys[name] = roster.GenerateKey()
		w.Roster.Nodes = append(w.Roster.Nodes, roster.Node{Name: name, Role: role, Region: region,
			Key: w.keys[name].Public(), Address: l.Addr().String()})
		return nil
	}
	for _, g := range regions {
		if err := add("agent-"+g.Name, roster.Agent, g.Name); err != nil {
			return nil, err
		}
	}
	for i := range coordinators {
		if err := add(fmt.Sprintf("coord-%d", i+1), roster.Coordinator, regions[i].Name); err != nil {
			return nil, err
		}
	}
	return listeners, w.Roster.Validate()
}

// StartNode starts a node, with a listener on its mesh port (nil: open it anew).
func (w *World) StartNode(name string, l net.Listener) error {
	n, ok := w.Roster.Node(name)
	if !ok {
		return fmt.Errorf("no node is named %q", name)
	}
	if n.Role == roster.Agent {
		return w.startAgent(n, l)
	}
	return w.startCoordinator(n, l)
}

func (w *World) startAgent(n roster.Node, l net.Listener) error {
	j, err := journal.Open(filepath.Join(w.opt.Dir, n.Name+".db"))
	if err != nil {
		return err
	}
	user := "canary-" + n.Region
	pass := secret.New("demo-" + n.Region)
	dial := w.opt.Fabric.Dial(n.Name)
	trust := &tls.Config{RootCAs: w.ca.Pool()}
	m := telemetry.NewMetrics(w.opt.Version)
	a, err := agent.New(agent.Config{
		Roster: w.Roster, Node: n.Name, Key: w.keys[n.Name], Journal: j, Listener: l, Dial: dial, Metrics: m, Log: w.opt.Log,
		Controls: w.targets, ControlTLS: trust,
		Mailboxes: []collect.Config{{Name: "canaries", Address: w.address[imaps], TLS: collect.Implicit, TLSConfig: trust,
			Username: user, Password: pass, Dial: dial, Log: w.opt.Log, Watchdog: 10 * time.Second, Backoff: w.opt.Timing.Interval}},
		Routes: []agent.Route{{Name: n.Region + "-acme", Service: Service, To: user + "@acme.test", Mailbox: "canaries",
			Submit: submit.Config{Address: w.address[smtps], TLS: submit.Implicit, TLSConfig: trust, Username: user, Password: pass,
				From: user + "@acme.test", To: user + "@acme.test", Hello: n.Name + ".test", Dial: dial, Timeout: w.opt.Timing.Interval}}},
	})
	if err != nil {
		return errors.Join(err, j.Close())
	}
	w.journals[n.Name] = j
	w.Agents[n.Name] = run(a, m, a.Run, j.Close, w.opt.Log)
	return nil
}

func (w *World) startCoordinator(n roster.Node, l net.Listener) error {
	st, err := store.Open(filepath.Join(w.opt.Dir, n.Name+".db"), w.opt.Log)
	if err != nil {
		return err
	}
	m := telemetry.NewMetrics(w.opt.Version)
	pd, err := w.pagerDuty(n.Name)
	if err != nil {
		return errors.Join(err, st.Close())
	}
	var observe func(incident.Notice)
	if w.opt.Observe != nil {
		observe = func(x incident.Notice) { w.opt.Observe(n.Name, x) }
	}
	c, err := coordinator.New(coordinator.Config{
		Roster: w.Roster, Node: n.Name, Key: w.keys[n.Name], Store: st, Destinations: []page.Destination{pd}, Listener: l,
		Dial: w.opt.Fabric.Dial(n.Name), Version: w.opt.Version, Metrics: m, Log: w.opt.Log, Observe: observe,
	})
	if err != nil {
		return errors.Join(err, st.Close())
	}
	w.Coords[n.Name] = run(c, m, c.Run, st.Close, w.opt.Log)
	return nil
}

// run starts a daemon on a goroutine of its own.
func run[T any](d T, m *telemetry.Metrics, f func(context.Context) error, closer func() error, lg *slog.Logger) *Node[T] {
	ctx, cancel := context.WithCancel(context.Background())
	n := &Node[T]{Daemon: d, Metrics: m, stop: cancel, done: make(chan struct{}), close: closer}
	go func() {
		defer close(n.done)
		if err := f(ctx); err != nil {
			lg.Error("a daemon failed", "err", err)
		}
	}()
	return n
}

// Close stops everything, the daemons first.
func (w *World) Close() error {
	var wg sync.WaitGroup
	errs := make(chan error, len(w.Agents)+len(w.Coords))
	for _, n := range w.Agents {
		wg.Go(func() { errs <- n.Stop() })
	}
	for _, n := range w.Coords {
		wg.Go(func() { errs <- n.Stop() })
	}
	wg.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	for i := len(w.closers) - 1; i >= 0; i-- {
		all = append(all, w.closers[i]())
	}
	return errors.Join(all...)
}

// Unsettled counts the canaries, of all agents, that were sent before then and
// that have not arrived.
func (w *World) Unsettled(before time.Time) (n int, err error) {
	for _, j := range w.journals {
		err = errors.Join(err, j.Unfinished(time.Time{}, func(c probes.Canary) {
			if c.Sent.Before(before) {
				n++
			}
		}))
	}
	return n, err
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// pagerDuty is a coordinator's way to the paging service.
func (w *World) pagerDuty(node string) (page.Destination, error) {
	return pagerduty.New(pagerduty.Config{RoutingKey: secret.New(routingKey), URL: w.pagerURL,
		Transport: &http.Transport{DialContext: w.opt.Fabric.Dial(node), DisableKeepAlives: true}})
}
