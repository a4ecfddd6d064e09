package agent

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mailquorum/probes"
)

const manyRoutes = 10

func manyBox(i int) string { return fmt.Sprintf("box-%d", i%2) }

// many returns a follower of n open canaries of ten routes and two mailboxes, an
// interval of one second apart.
func many(n int) (*follower, []probes.ID) {
	f := newFollower(300*time.Second, Retention)
	ids := make([]probes.ID, n)
	for i := range ids {
		ids[i] = probes.NewID()
		route := i % manyRoutes
		f.add(probes.Canary{ID: ids[i], Route: fmt.Sprintf("r%d", route), Service: "mail", Sent: at(i), Accepted: at(i + 1), Outcome: probes.InFlight,
			QueueID: fmt.Sprintf("4F2%d", i)}, manyBox(route))
	}
	return f, ids
}

// BenchmarkFollower shows that what is done at each tick, and for each arrival, does
// not depend on how many canaries are followed.
func BenchmarkFollower(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		b.Run(fmt.Sprintf("tick/%d", n), func(b *testing.B) {
			f, _ := many(n)
			now := at(100) // nothing is due
			b.ReportAllocs()
			for b.Loop() {
				for i := range 2 {
					f.overdue(now, manyBox(i))
					f.scanned(now, now, manyBox(i))
				}
				for i := range manyRoutes {
					f.pending(now, fmt.Sprintf("r%d", i))
				}
				f.prune(now)
			}
		})
		b.Run(fmt.Sprintf("match/%d", n), func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			f, ids := many(n)
			runtime.GC()
			runtime.ReadMemStats(&after)
			rand.Shuffle(n, func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
			i := 0
			for b.Loop() {
				if i == n {
					b.StopTimer()
					f, ids = many(n)
					i = 0
					b.StartTimer()
				}
				fl := f.byID[ids[i]]
				f.sight(fl, seen(at(n+1000), uint32(i+1), false))
				f.forget(fl) // as the agent does once it is on disk
				i++
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/canary")
		})
	}
}

// What is lost waits in the journal: 100,000 canaries that never came cost no memory,
// and each is late when it comes.
func TestTheUnresolvedCostNoMemory(t *testing.T) {
	f, ids := many(100_000)
	lost := f.scanned(at(200_000), at(200_000), manyBox(0))
	lost = append(lost, f.scanned(at(200_000), at(200_000), manyBox(1))...)
	if len(lost) != len(ids) {
		t.Fatalf("%d lost, want %d", len(lost), len(ids))
	}
	for _, fl := range lost {
		f.forget(fl)
	}
	if n := len(f.byID) + f.leaving.Len() + cap(f.leaving.items); n > 128 {
		t.Errorf("%d places are still taken", n)
	}
	for i := range manyRoutes {
		if n, age := f.pending(at(200_000), fmt.Sprintf("r%d", i)); n != 0 || age != 0 {
			t.Errorf("route %d: %d pending, the oldest %v", i, n, age)
		}
	}
	again := f.add(lost[0].Canary, lost[0].mailbox) // as found in the journal
	f.sight(again, seen(at(200_001), 1, false))
	want(t, again, probes.Late)
}

// The index says what a walk over all would say.
func TestTheIndexIsTheWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFollower(300*time.Second, time.Hour)
		var fls []*flight
		clock := 0
		one := func() *flight { return fls[rapid.IntRange(0, len(fls)-1).Draw(t, "which")] }
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			clock += rapid.IntRange(0, 400).Draw(t, "pass")
			now := at(clock)
			switch what := rapid.IntRange(0, 6).Draw(t, "what"); {
			case what < 2 || len(fls) == 0:
				o := rapid.SampledFrom([]probes.Outcome{probes.InFlight, probes.Ambiguous}).Draw(t, "outcome")
				route := rapid.IntRange(0, 3).Draw(t, "route")
				fls = append(fls, f.add(probes.Canary{ID: probes.NewID(), Route: fmt.Sprint(route), Sent: now, Outcome: o}, manyBox(route)))
			case what == 2:
				f.sight(one(), seen(now, uint32(clock), false))
			case what == 3:
				f.scanned(now, now, manyBox(clock))
			case what == 4:
				f.prune(now)
			case what == 5:
				if fl := one(); fl.Outcome.Open() {
					f.postpone(fl, now)
				}
			case what == 6:
				f.settle(one(), now, rapid.SampledFrom(probes.Outcomes()).Draw(t, "settled"), probes.StageNone)
			}
			for i := range 4 {
				n, oldest, overdue := 0, time.Duration(0), false
				for _, fl := range f.byID {
					if fl.Outcome.Open() && fl.Route == fmt.Sprint(i) {
						n++
						oldest = max(oldest, now.Sub(fl.Begun()))
					}
					overdue = overdue || fl.Outcome.Open() && fl.mailbox == manyBox(i) && now.Sub(fl.Begun()) >= f.deadline
				}
				if gotN, got := f.pending(now, fmt.Sprint(i)); gotN != n || got != oldest {
					t.Fatalf("route %d: %d pending, oldest %v; want %d, %v", i, gotN, got, n, oldest)
				}
				if got := f.overdue(now, manyBox(i)); got != overdue {
					t.Fatalf("%s overdue: %v, want %v", manyBox(i), got, overdue)
				}
			}
			if f.leaving.Len() != len(f.byID) {
				t.Fatalf("%d to forget, %d followed", f.leaving.Len(), len(f.byID))
			}
		}
	})
}
