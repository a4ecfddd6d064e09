package mesh

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// node is a mesh with the simplest state that merges: a set of messages.
type node struct {
	*Mesh
	name string
	mu   sync.Mutex
	have map[string]bool
	got  []string // in order of arrival, with repetitions
}

func (n *node) receive(b []byte) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.got = append(n.got, string(b))
	if n.have[string(b)] {
		return false
	}
	n.have[string(b)] = true
	return true
}

func (n *node) state() [][]byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out [][]byte
	for s := range n.have {
		out = append(out, []byte(s))
	}
	return out
}

func (n *node) has(msg string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.have[msg]
}

// say keeps a message and sends it, as nodes do with their reports.
func (n *node) say(msg string) {
	n.mu.Lock()
	n.have[msg] = true
	n.mu.Unlock()
	n.Send([]byte(msg))
}

type cluster struct {
	t     testing.TB
	net   *memnet
	nodes map[string]*node
	peers []Peer
	keys  map[string]ed25519.PrivateKey
	dns   map[string]string // what a peer's address resolves to, where not itself
	mu    sync.Mutex
	loss  float64
	tune  func(*Config)
}

func testKey(seed string) ed25519.PrivateKey {
	sum := sha256.Sum256([]byte(seed))
	return ed25519.NewKeyFromSeed(sum[:])
}

// newCluster names n nodes a, b, c and so on. It starts none.
func newCluster(t testing.TB, n int, delay time.Duration) *cluster {
	c := &cluster{t: t, net: newMemnet(delay), nodes: map[string]*node{}, keys: map[string]ed25519.PrivateKey{}, dns: map[string]string{}}
	for i := range n {
		name := fmt.Sprintf("n%02d", i)
		if n <= 26 {
			name = string(rune('a' + i))
		}
		c.keys[name] = testKey(name)
		c.peers = append(c.peers, Peer{Name: name, Key: c.keys[name].Public().(ed25519.PublicKey), Address: name + ":7946"})
	}
	return c
}

func (c *cluster) resolve(address string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to, ok := c.dns[address]; ok {
		return to
	}
	return address
}

func (c *cluster) setLoss(p float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loss = p
}

func (c *cluster) lose(string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.loss > 0 && rand.Float64() < c.loss
}

func (c *cluster) config(name string, n *node, l net.Listener) Config {
	cfg := Config{Name: name, Key: c.keys[name], Peers: c.peers, Listener: l, Receive: n.receive, State: n.state, Dial: c.net.dial(name, c.resolve)}
	if os.Getenv("MESH_LOG") != "" {
		cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("node", name)
	}
	if c.tune != nil {
		c.tune(&cfg)
	}
	return cfg
}

// start starts a node, listening at its own name.
func (c *cluster) start(name string) *node { return c.startAt(name, name) }

// startAt starts a node on another host.
func (c *cluster) startAt(name, host string) *node {
	c.t.Helper()
	n := &node{name: name, have: map[string]bool{}}
	m, err := start(c.config(name, n, c.net.listen(host+":7946")), c.lose)
	if err != nil {
		c.t.Fatal(err)
	}
	n.Mesh = m
	c.nodes[name] = n
	return n
}

func (c *cluster) startAll() *cluster {
	for _, p := range c.peers {
		c.start(p.Name)
	}
	return c
}

// stop ends all nodes and lets memberlist's own timers run out.
func (c *cluster) stop() {
	var wg sync.WaitGroup
	for _, n := range c.nodes {
		wg.Go(func() { n.Close() })
	}
	wg.Wait()
	time.Sleep(5 * time.Minute)
}

// within waits until ok, and fails the test if it takes longer than d.
func (c *cluster) within(d time.Duration, what string, ok func() bool) time.Duration {
	c.t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > d {
			c.t.Fatalf("not within %v: %s", d, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

// all reports whether each running node has each message.
func (c *cluster) all(msgs ...string) bool {
	for _, n := range c.nodes {
		for _, msg := range msgs {
			if !n.has(msg) {
				return false
			}
		}
	}
	return true
}

// whole reports whether each running node sees k members and as many links.
func (c *cluster) whole(k int) bool {
	for _, n := range c.nodes {
		if s := n.Stats(); s.Members != k || s.Links != k-1 {
			return false
		}
	}
	return true
}
