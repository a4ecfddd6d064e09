package mesh

import (
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var (
	nodesFlag = flag.String("mesh.nodes", "6", "sizes of mesh for TestConvergence")
	lossFlag  = flag.String("mesh.loss", "0,30", "per cent of frames lost in TestConvergence")
	everyFlag = flag.Duration("mesh.every", 5*time.Second, "time between two reports of a node in TestConvergence")
	spanFlag  = flag.Duration("mesh.span", 20*time.Second, "virtual time measured in TestConvergence")
)

// reports keeps the newest report of each node, as the board of reports does,
// and notes how long each took to arrive.
type reports struct {
	mu     sync.Mutex
	newest map[string]int
	raw    map[string][]byte
	sent   *sync.Map // text of a report: time.Time
	took   []time.Duration
}

const reportSize = 600

func makeReport(name string, seq int) []byte {
	return fmt.Appendf(nil, "%-*s", reportSize, fmt.Sprint(name, " ", seq))
}

func (r *reports) receive(b []byte) bool {
	f := strings.Fields(string(b))
	seq, _ := strconv.Atoi(f[1])
	r.mu.Lock()
	defer r.mu.Unlock()
	if seq <= r.newest[f[0]] {
		return false
	}
	r.newest[f[0]], r.raw[f[0]] = seq, b
	if at, ok := r.sent.Load(f[0] + " " + f[1]); ok {
		r.took = append(r.took, time.Since(at.(time.Time)))
	}
	return true
}

func (r *reports) state() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([][]byte, 0, len(r.raw))
	for _, b := range r.raw {
		out = append(out, b)
	}
	return out
}

func ints(t *testing.T, s string) []int {
	var out []int
	for _, f := range strings.Split(s, ",") {
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, n)
	}
	return out
}

func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestConvergence measures how reports of 600 bytes spread, in virtual time over
// lines of 50 ms: how long until a node has one, how many never arrive before
// the next, and what it costs. With -v it prints the figures:
//
//	go test ./internal/mesh -run Convergence -v -mesh.nodes 10,50
func TestConvergence(t *testing.T) {
	for _, n := range ints(t, *nodesFlag) {
		for _, loss := range ints(t, *lossFlag) {
			synctest.Test(t, func(t *testing.T) { converge(t, n, loss) })
		}
	}
}

func converge(t *testing.T, n, loss int) {
	c := newCluster(t, n, 50*time.Millisecond)
	var sent sync.Map
	all := map[string]*reports{}
	start := time.Now()
	for _, p := range c.peers {
		r := &reports{newest: map[string]int{}, raw: map[string][]byte{}, sent: &sent}
		all[p.Name] = r
		c.tune = func(cfg *Config) { cfg.Receive, cfg.State = r.receive, r.state }
		c.start(p.Name)
	}
	defer c.stop()
	c.within(30*time.Second, "all are members everywhere", func() bool { return c.whole(n) })
	joined := time.Since(start)
	c.setLoss(float64(loss) / 100)

	var wg sync.WaitGroup
	began, used := time.Now(), cpu()
	before := c.sum()
	var spoken atomic.Int64
	for i, p := range c.peers {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * *everyFlag / time.Duration(n))
			for seq := 1; time.Since(began) < *spanFlag; seq++ {
				r, b := all[p.Name], makeReport(p.Name, seq)
				sent.Store(fmt.Sprint(p.Name, " ", seq), time.Now())
				r.mu.Lock()
				r.newest[p.Name], r.raw[p.Name] = seq, b
				r.mu.Unlock()
				spoken.Add(1)
				c.nodes[p.Name].Send(b)
				time.Sleep(*everyFlag)
			}
		})
	}
	wg.Wait()
	span, used := time.Since(began).Seconds()*float64(n), cpu()-used
	var took []time.Duration
	for _, r := range all {
		r.mu.Lock()
		took = append(took, r.took...)
		r.mu.Unlock()
	}
	slices.Sort(took)
	at := func(p float64) time.Duration { return took[int(p*float64(len(took)-1))] }
	due := float64(spoken.Load() * int64(n-1))
	missed := (due - float64(len(took))) / due
	s := c.sum()
	t.Logf("%d nodes, %d %% lost: whole after %v; a report arrives after %v (half), %v (99 %%), %v (all); superseded before arrival %.3f %%",
		n, loss, joined, at(.5), at(.99), at(1), 100*missed)
	t.Logf("  a node: %.0f B/s, %.1f frames/s, %.1f relayed/s, %.1f repaired/s, %.1f duplicates/s, %.2f %% of a CPU; dropped %d",
		float64(s.BytesOut-before.BytesOut)/span, float64(s.FramesOut-before.FramesOut)/span, float64(s.Relayed-before.Relayed)/span,
		float64(s.Repaired-before.Repaired)/span, float64(s.Duplicates-before.Duplicates)/span, 100*used.Seconds()/span, s.Dropped-before.Dropped)
	if at(1) > 5*time.Second || missed > 0.001 || s.Members != n*n {
		t.Errorf("reports are too slow: the last after %v, %.3f %% not at all; %d of %d members", at(1), 100*missed, s.Members, n*n)
	}
}

// sum adds up what all nodes count.
func (c *cluster) sum() (sum Stats) {
	for _, n := range c.nodes {
		s := n.Stats()
		sum.BytesOut += s.BytesOut
		sum.FramesOut += s.FramesOut
		sum.Relayed += s.Relayed
		sum.Repaired += s.Repaired
		sum.Duplicates += s.Duplicates
		sum.Dropped += s.Dropped
		sum.Members += s.Members
	}
	return sum
}
