package page_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"mailquorum/coordinator/page"
	"mailquorum/coordinator/page/pagerduty"
	"mailquorum/coordinator/page/pagerduty/pagerdutytest"
	"mailquorum/coordinator/store"
	"mailquorum/internal/report"
	"mailquorum/internal/roster"
	"mailquorum/internal/secret"
)

const (
	cluster = "test"
	rank    = 4 * time.Second
	settle  = 15 * time.Second
)

// world is three coordinators, the gossip between them, and PagerDuty.
type world struct {
	t      testing.TB
	roster *roster.Roster
	keys   map[string]roster.PrivateKey
	pd     *pagerdutytest.Server
	second *pagerdutytest.Server // the second destination
	nodes  []*node
	delay  time.Duration // of gossip
}

// node is a coordinator: a store that outlives crashes and a pipeline that does not.
type node struct {
	w      *world
	name   string
	store  *store.Store
	p      *page.Pipeline
	cancel context.CancelFunc
	done   chan struct{}
	life   int           // counts starts; what belongs to an earlier one has no effect
	group  int           // nodes of different groups do not hear each other
	noPD   bool          // PagerDuty cannot be reached from here
	slow   time.Duration // an answer takes this long
	open   map[string]page.Need
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, keys: map[string]roster.PrivateKey{}, pd: &pagerdutytest.Server{}, second: &pagerdutytest.Server{}, delay: 50 * time.Millisecond}
	w.roster = &roster.Roster{Cluster: cluster}
	for _, name := range []string{"c1", "c2", "c3"} {
		w.keys[name] = roster.GenerateKey()
		w.roster.Nodes = append(w.roster.Nodes, roster.Node{Name: name, Role: roster.Coordinator, Key: w.keys[name].Public()})
	}
	w.keys["a1"] = roster.GenerateKey()
	w.roster.Nodes = append(w.roster.Nodes, roster.Node{Name: "a1", Role: roster.Agent, Key: w.keys["a1"].Public()})
	for _, n := range w.roster.Coordinators() {
		w.nodes = append(w.nodes, &node{w: w, name: n.Name, store: store.Memory(), open: map[string]page.Need{}})
	}
	return w
}

// start starts every node and lets it settle.
func (w *world) start() {
	for _, n := range w.nodes {
		n.start()
	}
	time.Sleep(settle)
	synctest.Wait()
}

func (w *world) stop() {
	for _, n := range w.nodes {
		n.stop()
	}
}

// ranked returns the nodes in the order in which they try to page the key.
func (w *world) ranked(key string) []*node {
	out := make([]*node, len(w.nodes))
	for _, n := range w.nodes {
		out[page.Rank(key, n.name, []string{"c1", "c2", "c3"})] = n
	}
	return out
}

// calls returns PagerDuty's calls of that action, of which only the accepted
// ones when accepted is set.
func (w *world) calls(action store.Action, accepted bool) (out []pagerdutytest.Call) {
	for _, c := range w.pd.Calls() {
		if c.Action == string(action) && (c.Accepted || !accepted) {
			out = append(out, c)
		}
	}
	return out
}

func (w *world) openAlerts() (n int) {
	for _, i := range w.pd.Incidents() {
		if i.Open() {
			n++
		}
	}
	return n
}

func (n *node) start() {
	ctx, cancel := context.WithCancel(context.Background())
	n.life++
	life, w := n.life, n.w
	transport := roundTripper(func(r *http.Request) (*http.Response, error) { return n.roundTrip(r, life, w.pd) })
	first, err := pagerduty.New(pagerduty.Config{URL: "https://pd.test", RoutingKey: secret.New("routing-key-marker"), Transport: transport})
	if err != nil {
		w.t.Fatal(err)
	}
	second, err := pagerduty.New(pagerduty.Config{Name: "second", URL: "https://second.test", RoutingKey: secret.New("routing-key-marker"),
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if n.life != life {
				return nil, errors.New("crashed")
			}
			return w.second.RoundTrip(r)
		})})
	if err != nil {
		w.t.Fatal(err)
	}
	n.p, err = page.New(page.Config{
		Self: n.name, Roster: w.roster, Store: n.store, Pages: []page.Chain{{first, second}},
		Needed: func(e page.Event) page.Need {
			need := n.open[e.Key]
			if e.Action == store.Resolve && need != page.Hold {
				return page.Send + page.Drop - need
			}
			return need
		},
		Seal: func(b []byte) []byte { return report.Seal(cluster, report.KindPage, n.name, w.keys[n.name], b) },
		Gossip: func(msg []byte) {
			if n.life == life {
				n.gossip(msg)
			}
		},
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	n.cancel, n.done = cancel, make(chan struct{})
	p, done := n.p, n.done
	go func() { defer close(done); p.Run(ctx) }()
	for _, o := range w.nodes { // push/pull
		if o != n && o.p != nil && o.group == n.group {
			n.pull(o)
			o.pull(n)
		}
	}
}

func (n *node) stop() {
	if n.p != nil {
		n.cancel()
		<-n.done
		n.p = nil
	}
}

// crash stops the node between two instructions: what it does afterwards has no
// effect on the world and none on its store.
func (n *node) crash() {
	if n.p == nil {
		return
	}
	n.life++
	n.cancel()
	n.p = nil
	kept := store.Memory()
	for _, j := range n.store.Jobs(true) {
		kept.Note(store.Change{Jobs: []store.Job{j}})
	}
	for _, j := range n.store.Jobs(true) {
		kept.UpdateJob(j.JobID, func(k *store.Job) { *k = j })
	}
	kept.Note(store.Change{Claims: n.store.Claims("")})
	n.store = kept
}

func (n *node) roundTrip(r *http.Request, life int, pd *pagerdutytest.Server) (*http.Response, error) {
	if n.noPD || n.life != life {
		return nil, &net.OpError{Op: "dial", Err: errors.New("no route to host")}
	}
	if n.slow > 0 {
		select {
		case <-time.After(n.slow):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		if n.life != life {
			return nil, errors.New("crashed")
		}
	}
	return pd.RoundTrip(r)
}

func (n *node) gossip(msg []byte) {
	for _, o := range n.w.nodes {
		if o == n || o.group != n.group {
			continue
		}
		life := o.life
		time.AfterFunc(n.w.delay, func() {
			if o.life == life && o.p != nil && o.group == n.group {
				o.receive(msg)
			}
		})
	}
}

func (n *node) receive(msg []byte) {
	e, err := report.Parse(msg)
	if err == nil {
		_, err = n.p.Receive(time.Now(), e, msg)
	}
	if err != nil {
		n.w.t.Errorf("%s refused a claim: %v", n.name, err)
	}
}

func (n *node) pull(o *node) {
	for _, msg := range o.p.State() {
		n.receive(msg)
	}
}

func event(key string) page.Event {
	return page.Event{Key: key, Summary: "outage: mx", Severity: page.Critical, Source: "example", Component: "mx", Class: "outage", At: time.Now(),
		Details: map[string]any{"votes": "3 of 5"}}
}

func key(epoch int) string { return fmt.Sprintf("mailquorum/%s/outage/mx/%d", cluster, epoch) }

// decide takes the decision on the node, as its incident machine would.
func (n *node) decide(k string, open bool) {
	now := time.Now()
	if open {
		n.open[k] = page.Send
		n.store.Note(store.Change{Jobs: []store.Job{page.TriggerJob(now, event(k))}})
	} else {
		n.open[k] = page.Drop
		n.store.Note(store.Change{Jobs: page.ResolveJobs(now, rank, event(k))})
	}
	if n.p != nil {
		n.p.Wake()
	}
}

func (w *world) decide(k string, open bool) {
	for i, n := range w.nodes {
		if i > 0 {
			time.Sleep(100 * time.Millisecond)
		}
		n.decide(k, open)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
