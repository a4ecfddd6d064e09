package mesh

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestMessageReachesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 5, 40*time.Millisecond).startAll()
		defer c.stop()
		t.Log("whole after", c.within(3*time.Second, "five members everywhere", func() bool { return c.whole(5) }))
		c.nodes["a"].say("hello")
		t.Log("everywhere after", c.within(100*time.Millisecond, "hello everywhere", func() bool { return c.all("hello") }))
		big := strings.Repeat("x", MaxMessage)
		c.nodes["b"].say(big)
		c.within(time.Second, "a large message everywhere", func() bool { return c.all(big) })
		time.Sleep(10 * time.Second)
		for _, n := range c.nodes {
			if len(n.got) > 2 {
				t.Errorf("%s was given %d messages", n.name, len(n.got))
			}
			if got := strings.Join(n.Members(), " "); got != "a b c d e" {
				t.Errorf("%s sees %s", n.name, got)
			}
			if n.Health() != 0 {
				t.Errorf("%s has health score %d", n.name, n.Health())
			}
			if s := n.Stats(); s.Relayed > 2*4 || s.Dropped+s.Strangers+s.Refused != 0 {
				t.Errorf("%s: %+v", n.name, s)
			}
		}
	})
}

func TestLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 5, 40*time.Millisecond).startAll()
		defer c.stop()
		c.within(3*time.Second, "five members everywhere", func() bool { return c.whole(5) })
		c.setLoss(0.3)
		var slowest time.Duration
		for i := range 30 {
			msg := fmt.Sprint("message ", i)
			c.nodes[string(rune('a'+i%5))].say(msg)
			slowest = max(slowest, c.within(5*time.Second, msg, func() bool { return c.all(msg) }))
			time.Sleep(time.Second)
		}
		t.Log("slowest of 30:", slowest)
		if !c.whole(5) {
			t.Error("members were lost")
		}
	})
}

func TestRelayAroundCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 40*time.Millisecond)
		c.net.setCut("a", "c", true)
		c.startAll()
		defer c.stop()
		c.within(10*time.Second, "a and b, b and c linked", func() bool { return c.nodes["b"].Stats().Links == 2 })
		c.nodes["a"].say("round the corner")
		t.Log("after", c.within(200*time.Millisecond, "the message at c", func() bool { return c.all("round the corner") }))
	})
}

func TestPartitionHeals(t *testing.T) {
	for _, long := range []time.Duration{20 * time.Second, 3 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 5, 40*time.Millisecond).startAll()
			defer c.stop()
			c.within(3*time.Second, "five members everywhere", func() bool { return c.whole(5) })
			side := func(n string) bool { return n < "c" }
			cut := func(on bool) {
				for a := range c.nodes {
					for b := range c.nodes {
						if side(a) != side(b) {
							c.net.setCut(a, b, on)
						}
					}
				}
			}
			cut(true)
			time.Sleep(long)
			c.nodes["a"].say("of the few")
			c.nodes["e"].say("of the many")
			time.Sleep(10 * time.Second)
			if c.nodes["c"].has("of the few") || c.nodes["b"].has("of the many") || !c.nodes["b"].has("of the few") {
				t.Error("the cut does not cut")
			}
			t.Log("members in the cut:", c.nodes["a"].Members(), c.nodes["e"].Members())
			cut(false)
			said := c.within(15*time.Second, "all is known everywhere", func() bool { return c.all("of the few", "of the many") })
			whole := c.within(15*time.Second, "five members everywhere", func() bool { return c.whole(5) })
			t.Logf("cut %v: messages everywhere %v after healing, members %v", long, said, said+whole)
		})
	}
}

func TestRestartElsewhere(t *testing.T) {
	for _, how := range []string{"killed", "left", "vanished"} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 4, 40*time.Millisecond).startAll()
			defer c.stop()
			c.within(3*time.Second, "four members everywhere", func() bool { return c.whole(4) })
			c.nodes["a"].say("before")
			time.Sleep(time.Second)
			switch old := c.nodes["d"]; how {
			case "killed":
				old.close(0)
			case "left":
				old.Close()
			case "vanished": // no FIN, no RST: the old host just falls silent
				for _, n := range []string{"a", "b", "c"} {
					c.net.setCut(n, "d", true)
				}
				defer old.close(0)
			}
			c.mu.Lock()
			c.dns["d:7946"] = "elsewhere:7946"
			c.mu.Unlock()
			time.Sleep(2 * time.Second)
			if how == "vanished" {
				c.net.listeners["d:7946"].Close()
			}
			began := time.Now()
			// its own dials come from the new host
			n := &node{name: "d", have: map[string]bool{}}
			cfg := c.config("d", n, c.net.listen("elsewhere:7946"))
			cfg.Dial = c.net.dial("elsewhere", c.resolve)
			m, err := start(cfg, c.lose)
			if err != nil {
				t.Fatal(err)
			}
			n.Mesh, c.nodes["d"] = m, n
			c.within(15*time.Second, "it knows what was said before", func() bool { return n.has("before") })
			known := time.Since(began)
			c.within(15*time.Second, "four members everywhere", func() bool { return c.whole(4) })
			t.Logf("%s: caught up %v after the restart, linked and member everywhere after %v", how, known, time.Since(began))
			c.nodes["a"].say("after")
			n.say("from d")
			t.Log("talk in both directions after", c.within(3*time.Second, "talk in both directions", func() bool { return c.all("after", "from d") }))
		})
	}
}

func TestLateJoiner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 40*time.Millisecond)
		c.start("a")
		c.start("b")
		defer c.stop()
		for i := range 100 {
			c.nodes["a"].say(fmt.Sprintf("%d %s", i, strings.Repeat("x", 600)))
		}
		time.Sleep(time.Minute)
		late := c.start("c")
		t.Log("after", c.within(3*time.Second, "the late one knows everything", func() bool { return len(late.state()) == 100 }))
	})
}

// Without digests, memberlist's push/pull alone carries the state.
func TestPushPull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2, 40*time.Millisecond)
		c.start("a")
		defer c.stop()
		c.nodes["a"].say("kept")
		c.setLoss(1) // no frame arrives; streams do
		late := c.start("b")
		t.Log("after", c.within(15*time.Second, "the state arrived", func() bool { return late.has("kept") }))
	})
}

func TestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 0).startAll()
		n := c.nodes["a"]
		n.say("to nobody")
		time.Sleep(time.Minute)
		if s := n.Stats(); s.Members != 1 || s.Health != 0 {
			t.Errorf("%+v", s)
		}
		c.stop()
	})
}
