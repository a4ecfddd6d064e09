package mesh

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// accuse makes a packet of memberlist's type suspect (3) or dead (5).
func accuse(kind byte, incarnation uint32, node, from string) []byte {
	b := bytes.NewBuffer([]byte{kind})
	err := codec.NewEncoder(b, &codec.MsgpackHandle{}).Encode(map[string]any{"Incarnation": incarnation, "Node": node, "From": from})
	if err != nil {
		panic(err)
	}
	return b.Bytes()
}

// One compromised peer accuses another all the time. memberlist's health score
// of the accused goes up to its worst; were it ours, a liar could silence a region.
func TestAccusations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 5, 40*time.Millisecond).startAll()
		defer c.stop()
		c.within(3*time.Second, "five members everywhere", func() bool { return c.whole(5) })
		liar, worst := c.nodes["e"], 0
		for i := range 60 {
			for _, p := range liar.peers {
				liar.peers[p.lane].link.send(frame{kindPacket, accuse(3, 1<<20+uint32(i), p.Name, "e")})
				liar.peers[p.lane].link.send(frame{kindPacket, accuse(5, 1<<21+uint32(i), p.Name, "e")})
			}
			time.Sleep(500 * time.Millisecond)
			for name, n := range c.nodes {
				worst = max(worst, n.Stats().Awareness)
				if n.Health() != 0 {
					t.Fatalf("%s has health score %d", name, n.Health())
				}
			}
		}
		t.Log("memberlist's worst score:", worst)
		if worst <= 2 {
			t.Error("memberlist no longer minds accusations: Health could be its score again")
		}
		c.nodes["a"].say("still here")
		c.within(time.Second, "messages still pass", func() bool { return c.all("still here") })
		c.within(time.Minute, "the accused are members", func() bool { return c.whole(5) })
	})
}

// A node behind a bad line is slow with everyone, and only that node is unwell.
func TestSlowNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 5, 40*time.Millisecond).startAll()
		defer c.stop()
		c.within(3*time.Second, "five members everywhere", func() bool { return c.whole(5) })
		c.net.setSlow("c", 900*time.Millisecond)
		time.Sleep(10 * time.Second)
		for name, n := range c.nodes {
			if h := n.Health(); (h > 2) != (name == "c") {
				t.Errorf("%s has health score %d: %+v", name, h, n.Links())
			}
		}
		c.net.setSlow("c", 0)
		c.within(10*time.Second, "all well again", func() bool { return c.nodes["c"].Health() == 0 })
	})
}

// The survivors of others' deaths are well, while there is anyone to talk to.
func TestHealthOfSurvivors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 4, 40*time.Millisecond).startAll()
		defer c.stop()
		c.within(3*time.Second, "four members everywhere", func() bool { return c.whole(4) })
		for _, name := range []string{"d", "c", "b"} {
			c.nodes[name].close(0)
			delete(c.nodes, name)
			began := time.Now()
			c.within(10*time.Minute, name+" is gone", func() bool { return c.nodes["a"].Stats().Members == len(c.nodes) })
			s := c.nodes["a"].Stats()
			t.Logf("%d nodes left: noticed after %v, health %d, awareness %d", len(c.nodes), time.Since(began), s.Health, s.Awareness)
			if want := map[bool]int{true: 8}[len(c.nodes) == 1]; s.Health != want {
				t.Errorf("%d nodes left: health score %d", len(c.nodes), s.Health)
			}
		}
	})
}
