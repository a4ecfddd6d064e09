package page_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"mailquorum/coordinator/page"
	"mailquorum/coordinator/page/pagerduty/pagerdutytest"
	"mailquorum/coordinator/store"
)

// act is one thing that happens in a schedule.
type act struct {
	at   time.Duration
	what string
	node int
	arg  int
}

func (a act) String() string { return fmt.Sprintf("%v %s %d %d", a.at, a.what, a.node, a.arg) }

var (
	rough  = []string{"open", "close", "crash", "restart", "restart", "cut", "heal", "meet", "pd", "pd well", "far", "near", "slow", "quick"}
	benign = []string{"open", "close", "pd", "pd well", "far", "near", "quick", "meet"}
	faults = []pagerdutytest.Fault{
		{Status: http.StatusTooManyRequests, RetryAfter: 20},
		{Status: http.StatusServiceUnavailable},
		{Cut: true, Accept: true},
		{Cut: true, Accept: true, Hang: time.Minute},
		{Status: http.StatusInternalServerError, Accept: true, Hang: 3 * time.Second},
	}
)

func schedule(kinds []string) *rapid.Generator[[]act] {
	one := rapid.Custom(func(t *rapid.T) act {
		return act{
			at:   time.Duration(rapid.IntRange(0, 600_000).Draw(t, "ms")) * time.Millisecond,
			what: rapid.SampledFrom(kinds).Draw(t, "what"), node: rapid.IntRange(0, 2).Draw(t, "node"), arg: rapid.IntRange(0, 9).Draw(t, "arg"),
		}
	})
	return rapid.Custom(func(t *rapid.T) []act {
		acts := rapid.SliceOfN(one, 2, 30).Draw(t, "acts")
		slices.SortStableFunc(acts, func(a, b act) int { return int(a.at - b.at) })
		return acts
	})
}

// story plays a schedule: incidents open and close one after the other, under
// keys of their own, and each node that lives and is not cut off learns of it
// within a second.
type story struct {
	*world
	epoch int
	open  bool
	knows [3]map[string]bool // the newest decision that each node took for each key
	wrong []string
}

func (s *story) want() map[string]bool {
	out := map[string]bool{}
	for e := 1; e <= s.epoch; e++ {
		out[key(e)] = e == s.epoch && s.open
	}
	return out
}

// teach lets every node that can know take the decisions that it lacks.
func (s *story) teach() {
	for i, n := range s.nodes {
		if n.p == nil || n.group != 0 {
			continue
		}
		for k, open := range s.want() {
			if was, ok := s.knows[i][k]; !ok || was != open {
				s.knows[i][k] = open
				n.decide(k, open)
			}
		}
	}
}

func (s *story) play(a act) {
	n := s.nodes[a.node]
	lock := func(f func()) { s.mu.Lock(); f(); s.mu.Unlock() }
	switch a.what {
	case "open":
		if !s.open {
			s.open = true
			s.epoch++
		}
	case "close":
		s.open = false
	case "crash":
		n.crash()
	case "restart":
		if n.p == nil {
			n.start()
		}
	case "cut":
		lock(func() { n.group = 1 + a.node })
		for k := range s.want() { // its certificates go stale
			time.AfterFunc(20*time.Second, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				if n.group != 0 && n.open[k] == page.Send {
					n.open[k] = page.Hold
				}
			})
		}
	case "heal":
		lock(func() { n.group = 0 })
		s.knows[a.node] = map[string]bool{}
		s.meet()
	case "meet":
		s.meet()
	case "pd":
		s.pd.SetFault(faults[a.arg%len(faults)])
	case "pd well":
		s.pd.SetFault(pagerdutytest.Fault{})
	case "far", "near":
		lock(func() { n.noPD = a.what == "far" })
	case "slow", "quick":
		lock(func() {
			n.slow = map[bool]time.Duration{true: time.Duration(a.arg) * time.Second, false: 0}[a.what == "slow"]
		})
	}
	s.teach()
}

// tell runs a schedule and then an hour and a half in which everything works.
// lost is how many of a hundred gossip messages are lost.
func tell(t *testing.T, acts []act, lost int, stayOpen bool) (wrong []string, w *world) {
	synctest.Test(t, func(t *testing.T) {
		s := &story{world: newWorld(t)}
		r := rand.New(rand.NewPCG(uint64(lost), uint64(len(acts))))
		s.lose = func() bool { return r.IntN(100) < lost }
		for i := range s.knows {
			s.knows[i] = map[string]bool{}
		}
		s.start()
		began := time.Now()
		for _, a := range acts {
			time.Sleep(time.Until(began.Add(a.at)))
			s.play(a)
		}
		if stayOpen {
			s.play(act{what: "open"})
		}
		for i := range s.nodes {
			for _, what := range []string{"heal", "restart", "near", "quick", "pd well"} {
				s.play(act{what: what, node: i})
			}
		}
		s.mu.Lock()
		s.lose = func() bool { return false }
		s.mu.Unlock()
		time.Sleep(5 * time.Minute)
		if s.open {
			if !slices.ContainsFunc(s.calls(store.Trigger, true), func(c pagerdutytest.Call) bool { return c.Key == key(s.epoch) }) {
				s.wrong = append(s.wrong, "nobody was paged for "+key(s.epoch))
			}
		}
		s.play(act{what: "close"})
		time.Sleep(90 * time.Minute)
		synctest.Wait()
		for _, i := range s.pd.Incidents() {
			if i.Open() {
				s.wrong = append(s.wrong, "an alert is left open: "+i.Key)
			}
		}
		for _, i := range s.second.Incidents() {
			if i.Open() {
				s.wrong = append(s.wrong, "an alert is left open at the second destination: "+i.Key)
			}
		}
		for _, n := range s.nodes {
			for _, j := range n.store.Jobs(false) {
				s.wrong = append(s.wrong, fmt.Sprintf("%s still has to %s %s", n.name, j.Action, j.Key))
			}
		}
		s.mu.Lock()
		s.wrong = append(s.wrong, s.late...)
		s.mu.Unlock()
		s.stop()
		wrong, w = s.wrong, s.world
	})
	return wrong, w
}

func TestWhateverHappensPeopleAreToldAndAlertsEnd(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		acts := schedule(rough).Draw(rt, "schedule")
		wrong, w := tell(t, acts, rapid.SampledFrom([]int{0, 0, 20, 80}).Draw(rt, "lost"), rapid.Bool().Draw(rt, "stays open"))
		if len(wrong) > 0 {
			rt.Fatalf("%s\nafter %v\ncalls:\n%s", strings.Join(wrong, "\n"), acts, listing(w))
		}
	})
}

// As long as all coordinators live and hear each other, every incident is paged
// once and resolved once, however PagerDuty behaves that does not take what it
// does not confirm.
func TestOncePerIncidentWhileAllLive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		acts := schedule(benign).Draw(rt, "schedule")
		for i, a := range acts {
			if a.what == "pd" {
				acts[i].arg %= 2
			}
		}
		wrong, w := tell(t, acts, 0, true)
		triggers, resolves := map[string]int{}, map[string]int{}
		for _, c := range w.pd.Calls() {
			switch {
			case c.Accepted && c.Action == "trigger":
				triggers[c.Key]++
			case c.Effect == "resolved":
				resolves[c.Key]++
			}
		}
		for k, n := range triggers {
			if n != 1 || resolves[k] != 1 {
				wrong = append(wrong, fmt.Sprintf("%s: %d triggers, %d resolves", k, n, resolves[k]))
			}
		}
		if len(wrong) > 0 {
			rt.Fatalf("%s\nafter %v\ncalls:\n%s", strings.Join(wrong, "\n"), acts, listing(w))
		}
	})
}

func listing(w *world) string {
	var b strings.Builder
	for _, c := range w.pd.Calls() {
		fmt.Fprintf(&b, "%s %s %s %d %s\n", c.At.Format("15:04:05.000"), c.Action, c.Key, c.Status, c.Effect)
	}
	return b.String()
}
