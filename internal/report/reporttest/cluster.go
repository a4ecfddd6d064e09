// Package reporttest is, like httptest, for the tests of others: the nodes of a
// roster, with keys, that speak and hear each other in memory and under a clock
// that the test moves. Everything in it is deterministic.
package reporttest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"mailquorum/internal/report"
	"mailquorum/internal/roster"
)

// Start is when the clock of a Cluster starts.
var Start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// Key returns the private key of the node of that name.
func Key(node string) roster.PrivateKey {
	seed := sha256.Sum256([]byte("reporttest " + node))
	k, err := roster.ParsePrivateKey([]byte("mqkey:" + base64.RawURLEncoding.EncodeToString(seed[:])))
	if err != nil {
		panic(err) // the form is right
	}
	return k
}

// Roster returns a roster of the regions and services named, with one agent
// "agent-<region>" a region and three coordinators (fewer with fewer regions),
// each region its own failure domain.
func Roster(services []string, regions ...string) *roster.Roster {
	r := &roster.Roster{Cluster: "test"}
	for _, s := range services {
		r.Services = append(r.Services, roster.Service{Name: s, Provider: "provider"})
	}
	for i, g := range regions {
		r.Regions = append(r.Regions, roster.Region{Name: g})
		AddNode(r, "agent-"+g, roster.Agent, g)
		if i < 3 {
			AddNode(r, "coordinator-"+g, roster.Coordinator, g)
		}
	}
	return r
}

// AddNode adds a node with its key and an address that nobody dials.
func AddNode(r *roster.Roster, name string, role roster.Role, region string) {
	r.Nodes = append(r.Nodes, roster.Node{Name: name, Role: role, Region: region, Key: Key(name).Public(), Address: name + ":7946"})
}

// Cluster is the nodes of a roster. A node that speaks is heard by those that
// Hears says, and echoes what it has heard itself.
type Cluster struct {
	Roster *roster.Roster
	Now    time.Time
	Hears  func(to, from string) bool // nil: everybody hears everybody
	Skew   map[string]time.Duration   // of nodes' wall clocks

	hash      [8]byte
	keys      []roster.PrivateKey
	boot, seq []uint64
	heard     []map[int]report.Echo    // by place of the hearer
	boards    map[string]*report.Board // of those that Board was asked for
}

// New returns a cluster in which nobody has spoken.
func New(r *roster.Roster) *Cluster {
	c := &Cluster{Roster: r, Now: Start, hash: r.Hash(), boards: map[string]*report.Board{}}
	c.boot, c.seq = make([]uint64, len(r.Nodes)), make([]uint64, len(r.Nodes))
	for i := range r.Nodes {
		c.boot[i] = 1
		c.keys = append(c.keys, Key(r.Nodes[i].Name))
		c.heard = append(c.heard, map[int]report.Echo{})
	}
	return c
}

// Board returns the board of a node: it takes what the node hears from the first
// call on.
func (c *Cluster) Board(node string) *report.Board {
	b := c.boards[node]
	if b == nil {
		b = report.NewBoard(c.Roster, node)
		c.boards[node] = b
	}
	return b
}

// Speak lets a node say its votes to all that hear it, and returns the message.
func (c *Cluster) Speak(node string, votes ...report.Vote) []byte {
	raw := c.Compose(node, votes...)
	c.Deliver(raw)
	return raw
}

// Compose returns the next report of a node without sending it.
func (c *Cluster) Compose(node string, votes ...report.Vote) []byte {
	i := c.place(node)
	c.seq[i]++
	r := report.Report{Roster: c.hash, Boot: c.boot[i], Seq: c.seq[i], Wall: c.Now.Add(c.Skew[node]).UnixMilli(), Votes: slices.Clone(votes)}
	for j := range c.Roster.Nodes {
		if e, ok := c.heard[i][j]; ok {
			r.Echo = append(r.Echo, e)
		}
	}
	if b := c.boards[node]; b != nil {
		b.Spoke(c.Now, r.Boot, r.Seq)
	}
	return r.Seal(c.Roster.Cluster, node, c.keys[i])
}

// Deliver hands a message to all that hear its speaker, itself included.
func (c *Cluster) Deliver(raw []byte) {
	e, err := report.Parse(raw)
	if err != nil {
		return
	}
	rep, err := report.Open(e)
	if err != nil {
		return
	}
	from := c.place(e.Node)
	for i, n := range c.Roster.Nodes {
		if i != from && c.Hears != nil && !c.Hears(n.Name, e.Node) {
			continue
		}
		if old := c.heard[i][from]; i != from && (rep.Boot > old.Boot || rep.Boot == old.Boot && rep.Seq > old.Seq) {
			c.heard[i][from] = report.Echo{Node: uint16(from), Boot: rep.Boot, Seq: rep.Seq}
		}
		if b := c.boards[n.Name]; b != nil {
			b.Accept(c.Now, e, raw)
		}
	}
}

// Restart makes the node forget what it heard and count a new start.
func (c *Cluster) Restart(node string) {
	i := c.place(node)
	c.boot[i]++
	c.seq[i] = 0
	clear(c.heard[i])
	if c.boards[node] != nil {
		c.boards[node] = report.NewBoard(c.Roster, node)
	}
}

// Round lets the coordinators speak and then the agents, so that the agents'
// reports are fresh (an agent without votes keeps silent), and moves the clock on
// by d.
func (c *Cluster) Round(d time.Duration, votes func(agent roster.Node) []report.Vote) {
	for _, n := range c.Roster.Coordinators() {
		c.Speak(n.Name)
	}
	for _, n := range c.Roster.Nodes {
		if n.Role != roster.Agent {
			continue
		}
		if v := votes(n); v != nil {
			c.Speak(n.Name, v...)
		}
	}
	c.Now = c.Now.Add(d)
}

func (c *Cluster) place(node string) int {
	i := c.Roster.NodeIndex(node)
	if i < 0 {
		panic(fmt.Sprintf("no node is named %q", node))
	}
	return i
}
