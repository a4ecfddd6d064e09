package mesh

import (
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// ours returns the stacks of goroutines that this package started.
func ours() []string {
	b := make([]byte, 1<<20)
	var out []string
	for _, g := range strings.Split(string(b[:runtime.Stack(b, true)]), "\n\n") {
		if strings.Contains(g, "internal/mesh.(*Mesh)") || strings.Contains(g, "internal/mesh.(*link)") {
			out = append(out, g)
		}
	}
	return out
}

func TestCloseLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 40*time.Millisecond).startAll()
		c.within(3*time.Second, "three members everywhere", func() bool { return c.whole(3) })
		if len(ours()) == 0 {
			t.Error("this test looks for the wrong names")
		}
		began := time.Now()
		c.nodes["a"].say("farewell")
		if err := c.nodes["a"].Close(); err != nil {
			t.Error(err)
		}
		t.Log("closed after", time.Since(began))
		if !c.nodes["b"].has("farewell") || !c.nodes["c"].has("farewell") {
			t.Error("what was said before Close is lost")
		}
		if n := len(c.nodes["a"].got); n != 0 {
			t.Errorf("a was told its own words %d times", n)
		}
		time.Sleep(time.Second)
		if got := strings.Join(c.nodes["b"].Members(), " "); got != "b c" {
			t.Errorf("b sees %s after a has left", got)
		}
		c.nodes["a"].Send([]byte("from the grave")) // harmless
		c.nodes["b"].Close()
		c.nodes["c"].Close()
		if left := ours(); len(left) > 0 {
			t.Errorf("%d goroutines left:\n%s", len(left), strings.Join(left, "\n\n"))
		}
		time.Sleep(5 * time.Minute) // memberlist's
	})
}

// A node whose network is dead closes in seconds all the same.
func TestCloseInTheDark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 40*time.Millisecond).startAll()
		defer c.stop()
		c.within(3*time.Second, "three members everywhere", func() bool { return c.whole(3) })
		c.net.setCut("a", "b", true)
		c.net.setCut("a", "c", true)
		c.nodes["a"].say("nobody hears")
		began := time.Now()
		if err := c.nodes["a"].Close(); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

// Two processes run under one identity by mistake: a nuisance, not a storm.
func TestTwins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 40*time.Millisecond).startAll()
		c.within(3*time.Second, "three members everywhere", func() bool { return c.whole(3) })
		first := c.nodes["c"]
		c.startAt("c", "twin")
		defer c.stop()
		defer first.Close()
		time.Sleep(time.Second)
		before := c.nodes["a"].Stats()
		time.Sleep(time.Minute)
		s := c.nodes["a"].Stats()
		t.Logf("frames in a minute: %d in, %d out", s.FramesIn-before.FramesIn, s.FramesOut-before.FramesOut)
		if n := s.FramesOut - before.FramesOut; n > 3000 {
			t.Errorf("%d frames in a minute", n)
		}
		c.nodes["a"].say("to both")
		c.within(10*time.Second, "a and b talk", func() bool { return c.nodes["b"].has("to both") })
	})
}

// A line as slow as a satellite's is stable.
func TestLongLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 40*time.Millisecond)
		c.net.setSlow("c", 350*time.Millisecond)
		c.startAll()
		defer c.stop()
		c.within(10*time.Second, "three members everywhere", func() bool { return c.whole(3) })
		for range 60 {
			time.Sleep(time.Second)
			if !c.whole(3) {
				t.Fatal("a link was lost")
			}
		}
		for name, n := range c.nodes {
			if n.Health() != 0 {
				t.Errorf("%s: %+v", name, n.Links())
			}
		}
	})
}
