package sim

import (
	"bytes"
	"context"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mailquorum/agent/evidence"
	"mailquorum/internal/roster"
)

func run(t *testing.T, o Options) *Report {
	t.Helper()
	r, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestFiguresHold is a small edition of docs/decision.md: it fails when a figure
// falls behind by more than chance explains.
func TestFiguresHold(t *testing.T) {
	for _, c := range []struct {
		w       World
		measure func(Result) float64
		targets []float64
	}{
		{WorldA(), Result.Mean, []float64{12, 32, 26, 51, 85}},
		{WorldB(), func(r Result) float64 { return r.Quantile(0.5) }, []float64{19, 59, 85, 70, 79}},
	} {
		r := run(t, Options{World: c.w, Years: 0.1, Outages: 40, Seed: 11, Coordinators: 1})
		if r.Pages > 0 {
			t.Errorf("world %s: %d false pages in %.0f days", c.w.Name, r.Pages, r.Days)
		}
		if n := r.PerMinute(); n > 5.9 {
			t.Errorf("world %s: %.2f canaries a minute", c.w.Name, n)
		}
		for i, x := range r.Results {
			if got := c.measure(x); x.Missed > 0 || got > 1.25*c.targets[i] {
				t.Errorf("world %s, %s: %.1f s, %d unseen; want about %g s", c.w.Name, x.Kind, got, x.Missed, c.targets[i])
			}
		}
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	o := Options{World: WorldB(), Years: 0.01, Outages: 30, Kinds: []Kind{Refusing, HalfLost}, Seed: 5}
	a := run(t, o)
	before := runtime.GOMAXPROCS(1)
	b := run(t, o)
	runtime.GOMAXPROCS(before)
	if d := cmp.Diff(a.Results, b.Results); d != "" || a.Canaries != b.Canaries {
		t.Error(d, a.Canaries, b.Canaries)
	}
	if a.Text() != b.Text() || !bytes.Equal(a.SVG(), b.SVG()) {
		t.Error("text or plot differ")
	}
	o.Seed = 6
	if c := run(t, o); cmp.Equal(a.Results, c.Results) {
		t.Error("another seed, the same results")
	}
}

func TestOutageIsOneIncidentAndCloses(t *testing.T) {
	r := run(t, Options{World: WorldA(), Outages: 2, Kinds: []Kind{HardFast, Queued}, Ends: 5 * time.Minute, Lasts: 25 * time.Minute, Seed: 3, Coordinators: 1})
	for _, x := range r.Results {
		if x.Incidents != x.Trials || len(x.Closed) != x.Trials {
			t.Errorf("%s: %d incidents opened and %d closed in %d outages", x.Kind, x.Incidents, len(x.Closed), x.Trials)
		}
	}
}

func TestHarshNetworkOnlyDelays(t *testing.T) {
	r := run(t, Options{World: WorldA(), Outages: 10, Kinds: []Kind{HardFast}, Seed: 4,
		Network: Network{Loss: 0.5, Twice: 0.2, Delay: 50 * time.Millisecond, Extra: time.Second}})
	if x := r.Results[0]; x.Missed > 0 || x.Mean() > 30 {
		t.Errorf("with half of all messages lost: mean %.1f s, %d unseen", x.Mean(), x.Missed)
	}
}

func TestQuorumNeeded(t *testing.T) {
	r := run(t, Options{World: WorldA(), Outages: 2, Kinds: []Kind{HardFast}, Seed: 4, Dead: 3, Lasts: 10 * time.Minute})
	if x := r.Results[0]; x.Missed != x.Trials {
		t.Errorf("two regions of five opened an outage %d times", x.Trials-x.Missed)
	}
	calm := WorldA()
	calm.FaultsPerDay, calm.Isolated, calm.Loss, calm.TailShare = 0, 0, 0, 0
	r = run(t, Options{World: calm, Years: 0.01, Seed: 4, Liars: 2})
	if r.Pages > 0 {
		t.Errorf("q-1 liars opened %d outages without any honest error", r.Pages)
	}
}

func TestHarmlessSlowness(t *testing.T) {
	o := Options{World: WorldB(), Outages: 20, Kinds: []Kind{Slow2}, Lasts: 20 * time.Minute, Seed: 8}
	if x := run(t, o).Results[0]; x.Missed != x.Trials {
		t.Errorf("%d of %d doublings of latency paged", x.Trials-x.Missed, x.Trials)
	}
	o.Rule.Evidence.Without = evidence.Safety | evidence.Adaptation
	if x := run(t, o).Results[0]; x.Missed == x.Trials {
		t.Error("without safety and adaptation a doubling should page: is the ablation one?")
	}
}

func TestBaselines(t *testing.T) {
	o := Options{World: WorldA(), Outages: 40, Kinds: []Kind{HardFast}, Seed: 2}
	// Their means in the design: 130, 31, -, 41 s.
	for i, want := range []float64{130, 31, 95, 41} {
		r, err := RunBaseline(context.Background(), Baselines()[i], o)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Results[0].Mean(); math.Abs(got-want) > 0.2*want {
			t.Errorf("%s: %.0f s, want about %.0f", Baselines()[i].Name, got, want)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{{Regions: 99}, {Years: -1}, {Dead: 6}, {Rule: Rule{Evidence: evidence.Params{H: 1}}}} {
		o.World = WorldA()
		if _, err := Run(context.Background(), o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, err := Run(ctx, Options{World: WorldA(), Years: 1000, Outages: 100})
	if err != nil || !r.Canceled || !strings.Contains(r.Text(), "not finished") {
		t.Errorf("canceled: %v, %v", r, err)
	}
}

func TestText(t *testing.T) {
	r := &Report{Options: Options{World: WorldA(), Regions: 5, Seed: 1}, Days: 3652.5, Canaries: 5 * 1440 * 3652, Confirms: 1440 * 365,
		Results: []Result{{Kind: HardFast, Trials: 4, After: []float64{9, 10, 11, 16}}, {Kind: Third, Trials: 4, Missed: 2, After: []float64{30, 300}}}}
	want := `world a: 5 regions, 3 must agree, a canary every 1m0s from each, seed 1

false pages       0 in 10 years (below 0.37 a year)
canaries          7199 a day, 2.0 % of them to confirm
detection limit   a loss of less than 0.042 % of all mail may go unseen for a day

from onset to page, seconds
                  mean  half   95 %  unseen  │5    10    20      50    100   200   500
hard, fails fast    12    10     16  0 of 4  │    ─●────
30 % fails         165   300  never  2 of 4  │               ───────────────────●─────
`
	if d := cmp.Diff(want, r.Text()); d != "" {
		t.Error(d)
	}
}

func TestPoisson(t *testing.T) {
	for _, c := range []struct {
		n         int
		low, high float64
	}{{0, 0, 3.689}, {1, 0.0253, 5.572}, {4, 1.09, 10.24}, {10, 4.795, 18.39}} {
		if low, high := poisson(c.n); math.Abs(low-c.low) > 0.03*c.low+0.01 || math.Abs(high-c.high) > 0.01*c.high {
			t.Errorf("%d events: %.3f to %.3f, want %.3f to %.3f", c.n, low, high, c.low, c.high)
		}
	}
}

func BenchmarkDay(b *testing.B) {
	for _, w := range []World{WorldA(), WorldB()} {
		b.Run("world "+w.Name, func(b *testing.B) {
			o := Options{World: w, Seed: 1}
			if err := o.prepare(); err != nil {
				b.Fatal(err)
			}
			e := newEngine(&o, 7)
			for i := 0; b.Loop(); i++ {
				e.run(days(float64(i)), nil)
			}
			b.ReportMetric(e.now.Seconds()/b.Elapsed().Seconds(), "simulated-s/s")
		})
	}
}

func BenchmarkOutage(b *testing.B) {
	o := Options{World: WorldA(), Outages: 1, Kinds: []Kind{HardFast}}
	for i := 0; b.Loop(); i++ {
		o.Seed = uint64(i)
		if _, err := Run(context.Background(), o); err != nil {
			b.Fatal(err)
		}
	}
}

func TestFromRoster(t *testing.T) {
	ro := &roster.Roster{Regions: []roster.Region{{Name: "x", Domain: "one"}, {Name: "y", Domain: "one"}, {Name: "z", Domain: "one"}},
		Services: []roster.Service{{Name: "inbound"}}, Timing: roster.Timing{Interval: 30 * time.Second}}
	o, err := FromRoster(ro, "inbound", WorldA())
	if err != nil || o.Regions != 3 || o.World.Timing.Interval != 30*time.Second {
		t.Fatalf("%+v, %v", o, err)
	}
	o.Outages, o.Kinds, o.Lasts = 2, []Kind{HardFast}, 5*time.Minute
	if x := run(t, o).Results[0]; x.Missed != 0 { // they have no second domain
		t.Errorf("%d of %d unseen", x.Missed, x.Trials)
	}
	o.Domains, o.Dead = []string{"two", "one", "one"}, 1
	if x := run(t, o).Results[0]; x.Missed != x.Trials {
		t.Error("opened by regions of one failure domain of two")
	}
	if _, err := FromRoster(ro, "outbound", WorldA()); err == nil {
		t.Error("no such service, no error")
	}
}
