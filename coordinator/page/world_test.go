package page_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
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
	mu     sync.Mutex // guards the nodes' fields: stories change them while pipelines run
	pd     *pagerdutytest.Server
	second *pagerdutytest.Server // the second destination
	nodes  []*node
	delay  time.Duration // of gossip
	lose   func() bool   // whether gossip loses the next message
	late   []string      // triggers sent by a node that knew of the close
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
	since  map[string]time.Time // of open
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, keys: map[string]roster.PrivateKey{}, pd: &pagerdutytest.Server{}, second: &pagerdutytest.Server{}, delay: 50 * time.Millisecond, lose: func() bool { return false }}
	w.roster = &roster.Roster{Cluster: cluster}
	for _, name := range []string{"c1", "c2", "c3"} {
		w.keys[name] = roster.GenerateKey()
		w.roster.Nodes = append(w.roster.Nodes, roster.Node{Name: name, Role: roster.Coordinator, Key: w.keys[name].Public()})
	}
	w.keys["a1"] = roster.GenerateKey()
	w.roster.Nodes = append(w.roster.Nodes, roster.Node{Name: "a1", Role: roster.Agent, Key: w.keys["a1"].Public()})
	for _, n := range w.roster.Coordinators() {
		w.nodes = append(w.nodes, &node{w: w, name: n.Name, store: store.Memory(), open: map[string]page.Need{}, since: map[string]time.Time{}})
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
	w := n.w
	w.mu.Lock()
	n.life++
	life := n.life
	w.mu.Unlock()
	transport := roundTripper(func(r *http.Request) (*http.Response, error) { return n.roundTrip(r, life, w.pd) })
	first, err := pagerduty.New(pagerduty.Config{URL: "https://pd.test", RoutingKey: secret.New("routing-key-marker"), Transport: transport})
	if err != nil {
		w.t.Fatal(err)
	}
	second, err := pagerduty.New(pagerduty.Config{Name: "second", URL: "https://second.test", RoutingKey: secret.New("routing-key-marker"),
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if !n.lives(life) {
				return nil, errors.New("crashed")
			}
			return w.second.RoundTrip(r)
		})})
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := page.New(page.Config{
		Self: n.name, Roster: w.roster, Store: n.store, Pages: []page.Chain{{first, second}},
		Needed: func(e page.Event) page.Need {
			w.mu.Lock()
			need := n.open[e.Key]
			w.mu.Unlock()
			if e.Action == store.Resolve && need != page.Hold {
				return page.Send + page.Drop - need
			}
			return need
		},
		Seal: func(b []byte) []byte { return report.Seal(cluster, report.KindPage, n.name, w.keys[n.name], b) },
		Gossip: func(msg []byte) {
			if n.lives(life) {
				n.gossip(msg)
			}
		},
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan struct{})
	w.mu.Lock()
	n.p, n.cancel, n.done = p, cancel, done
	w.mu.Unlock()
	go func() { defer close(done); p.Run(ctx) }()
	w.meet()
}

// meet is a round of push/pull between all that can hear each other.
func (w *world) meet() {
	for _, n := range w.nodes {
		for _, o := range w.nodes {
			if n == o || n.p == nil || o.p == nil || o.group != n.group {
				continue
			}
			for _, msg := range o.p.State() {
				n.receive(n.p, msg)
			}
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

func (n *node) lives(life int) bool {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	return n.life == life
}

// crash stops the node between two instructions: what it does afterwards has no
// effect on the world and none on its store.
func (n *node) crash() {
	if n.p == nil {
		return
	}
	n.w.mu.Lock()
	n.life++
	n.p = nil
	n.w.mu.Unlock()
	n.cancel()
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
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	n.w.mu.Lock()
	unreachable, slow := n.noPD, n.slow
	for k, need := range n.open {
		if need == page.Drop && n.since[k].Before(time.Now()) && n.life == life &&
			bytes.Contains(body, []byte(`"trigger"`)) && bytes.Contains(body, []byte(`"`+k+`"`)) {
			n.w.late = append(n.w.late, n.name+" triggered "+k+" after it had closed it")
		}
	}
	n.w.mu.Unlock()
	if unreachable || !n.lives(life) {
		return nil, &net.OpError{Op: "dial", Err: errors.New("no route to host")}
	}
	select {
	case <-time.After(slow):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if !n.lives(life) {
		return nil, errors.New("crashed")
	}
	return pd.RoundTrip(r)
}

func (n *node) gossip(msg []byte) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	for _, o := range n.w.nodes {
		if o == n || o.p == nil || o.group != n.group || n.w.lose() {
			continue
		}
		life, p := o.life, o.p
		time.AfterFunc(n.w.delay, func() {
			if o.lives(life) {
				o.receive(p, msg)
			}
		})
	}
}

func (n *node) receive(p *page.Pipeline, msg []byte) {
	e, err := report.Parse(msg)
	if err == nil {
		_, err = p.Receive(time.Now(), e, msg)
	}
	if err != nil {
		n.w.t.Errorf("%s refused a claim: %v", n.name, err)
	}
}

func event(key string) page.Event {
	return page.Event{Key: key, Summary: "outage: mx", Severity: page.Critical, Source: "example", Component: "mx", Class: "outage", At: time.Now(),
		Details: map[string]any{"votes": "3 of 5"}}
}

func key(epoch int) string { return fmt.Sprintf("mailquorum/%s/outage/mx/%d", cluster, epoch) }

// set sets what the coordinator answers when asked whether the incident is open.
func (n *node) set(k string, need page.Need) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	n.open[k], n.since[k] = need, time.Now()
}

// decide takes the decision on the node, as its incident machine would.
func (n *node) decide(k string, open bool) {
	now := time.Now()
	n.set(k, map[bool]page.Need{true: page.Send, false: page.Drop}[open])
	if open {
		n.store.Note(store.Change{Jobs: []store.Job{page.TriggerJob(now, event(k))}})
	} else {
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
