package evidence

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mailquorum/internal/vote"
	"mailquorum/probes"
)

func drawParams(t *rapid.T) Params {
	p := Params{
		Interval: time.Duration(rapid.IntRange(1, 600).Draw(t, "interval")) * time.Second,
		Drought:  time.Duration(rapid.IntRange(1, 300).Draw(t, "drought")) * time.Second,
		Tau:      time.Duration(rapid.IntRange(1, 300).Draw(t, "tau")) * time.Second,
		Control:  time.Duration(rapid.IntRange(1, 120).Draw(t, "control")) * time.Second,
		P0:       rapid.Float64Range(0.001, 0.2).Draw(t, "p0"),
		H:        rapid.Float64Range(MinH, 12).Draw(t, "h"),
	}
	p.Deadline = p.Drought + time.Duration(rapid.IntRange(0, 900).Draw(t, "deadline"))*time.Second
	p.P1 = rapid.Float64Range(p.P0+0.01, 0.95).Draw(t, "p1")
	p.Rho = rapid.Float64Range(p.P0, 0.89).Draw(t, "rho")
	return p
}

func drawLegal(t *rapid.T) Params {
	return rapid.Custom(drawParams).Filter(func(p Params) bool { return p.Validate() == nil }).Draw(t, "params")
}

// event is one thing that happens to a route.
type event struct {
	after   time.Duration // since the one before
	kind    int           // 0 accept, 1 outcome of one in flight, 2 outcome of a new one, 3 read side, 4 look, 5 excuse
	outcome probes.Outcome
	stage   probes.Stage
	pick    int
}

func drawEvents(t *rapid.T, n int) []event {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event {
		return event{
			after:   time.Duration(rapid.IntRange(0, 90_000).Draw(t, "ms")) * time.Millisecond,
			kind:    rapid.SampledFrom([]int{0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5}).Draw(t, "kind"),
			outcome: rapid.SampledFrom(probes.Outcomes()).Draw(t, "outcome"),
			stage:   rapid.SampledFrom(probes.Stages()).Draw(t, "stage"),
			pick:    rapid.IntRange(0, 20).Draw(t, "pick"),
		}
	}), 0, n).Draw(t, "events")
}

// play runs events and calls look after each.
func play(r *Route, now time.Time, events []event, look func(time.Time)) {
	var flight []Observation
	var n uint64
	for _, e := range events {
		now = now.Add(e.after)
		n++
		var id probes.ID
		binary.BigEndian.PutUint64(id[:], n)
		switch e.kind {
		case 0:
			r.Accepted(now, id, now)
			flight = append(flight, Observation{ID: id, Sent: now})
		case 1:
			if len(flight) > 0 {
				i := e.pick % len(flight)
				o := flight[i]
				o.Outcome, o.Stage, o.Latency = e.outcome, e.stage, now.Sub(o.Sent)
				r.Observe(now, o)
				if !o.Outcome.Open() && o.Outcome != probes.Lost {
					flight = slices.Delete(flight, i, i+1)
				}
			}
		case 2:
			r.Observe(now, Observation{ID: id, Sent: now, Outcome: e.outcome, Stage: e.stage, Latency: time.Duration(e.pick) * time.Second})
		case 3:
			if e.pick%2 == 0 {
				r.ReadSide(now, nil)
			} else {
				r.ReadSide(now, &probes.Error{Stage: probes.StageRetrieve, Outcome: e.outcome})
			}
		case 5:
			if e.pick == 0 {
				r.Excuse(now)
			}
		}
		look(now)
	}
}

func TestWeightStaysInBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawLegal(t)
		r := NewRoute(p, zero)
		play(r, zero, drawEvents(t, 120), func(now time.Time) {
			for _, v := range []vote.Vote{r.Vote(now), r.Slow(now), r.Account(now)} {
				if !(v.Weight >= 0 && v.Weight <= 2*p.H) {
					t.Fatalf("weight %v is not within [0, %v]", v.Weight, 2*p.H)
				}
				if v.Opinion == vote.Down && v.Weight < p.H/2 {
					t.Fatalf("down at weight %v with h %v", v.Weight, p.H)
				}
			}
			r.Suspicious(now)
		})
	})
}

func TestSingleFailureNeverVotes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawLegal(t)
		d := newDesk(p)
		if rapid.Bool().Draw(t, "learned") {
			d.healthy(rapid.IntRange(2, 200).Draw(t, "good"))
		} else {
			d.pass(3 * p.Interval)
		}
		worst := rapid.SampledFrom([]probes.Outcome{probes.Failed, probes.Bounced, probes.Lost, probes.InFlight,
			probes.AuthFailed, probes.Ambiguous}).Draw(t, "outcome")
		read := rapid.Bool().Draw(t, "read side")
		if read {
			d.r.ReadSide(d.now, &probes.Error{Outcome: probes.Failed})
		} else {
			id := d.id()
			if worst == probes.Lost {
				d.r.Accepted(d.now, id, d.now)
			}
			d.r.Observe(d.now, Observation{ID: id, Sent: d.now, Outcome: worst, Stage: probes.StageConnect})
		}
		for range rapid.IntRange(1, 40).Draw(t, "looks") {
			if v := d.r.Vote(d.now); v.Opinion == vote.Down {
				t.Fatalf("one failure voted: %+v", v)
			}
			d.pass(p.Interval / 3)
		}
	})
}

func TestDeliveryRetractsDrought(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Params{Without: Overdue}
		d := newDesk(p)
		d.healthy(1000)
		var ids []probes.ID
		var sent []time.Time
		for range rapid.IntRange(2, 8).Draw(t, "missing") {
			ids, sent = append(ids, d.accept()), append(sent, d.now)
			d.pass(time.Duration(rapid.IntRange(1, 60).Draw(t, "s")) * time.Second)
		}
		d.pass(time.Duration(d.r.droughtAge() * 1e9))
		if v := d.r.Vote(d.now); v.Opinion != vote.Down || v.Reason != vote.Overdue {
			t.Fatalf("no drought: %+v", v)
		}
		// of the last but one or a later one: with fewer than two younger ones missing
		i := rapid.IntRange(max(0, len(ids)-2), len(ids)-1).Draw(t, "arrives")
		d.r.Observe(d.now, Observation{ID: ids[i], Sent: sent[i], Outcome: probes.Delivered, Latency: d.now.Sub(sent[i])})
		if v := d.r.Vote(d.now); v.Opinion == vote.Down {
			t.Fatalf("delivery of %d of %d did not retract: %+v", i, len(ids), v)
		}
	})
}

func TestOwnFaultsNeverRaiseOutage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDesk(Params{})
		d.healthy(50)
		for range rapid.IntRange(1, 80).Draw(t, "n") {
			o := rapid.SampledFrom([]probes.Outcome{probes.Throttled, probes.Policy, probes.Junked, probes.Unknown}).Draw(t, "o")
			d.fail(o, rapid.SampledFrom(probes.Stages()).Draw(t, "stage"))
			d.pass(time.Duration(rapid.IntRange(0, 60_000).Draw(t, "ms")) * time.Millisecond)
			if v := d.r.Vote(d.now); v.Opinion == vote.Down || v.Weight > 0 {
				t.Fatalf("%v raised outage evidence: %+v", o, v)
			}
		}
	})
}

func TestAuthNeedsItsStage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDesk(Params{})
		d.healthy(50)
		for range rapid.IntRange(1, 40).Draw(t, "n") {
			if rapid.Bool().Draw(t, "read") {
				d.r.ReadSide(d.now, &probes.Error{Stage: probes.StageRetrieve, Outcome: probes.AuthFailed})
			} else {
				d.fail(probes.AuthFailed, probes.StageAuth)
			}
			d.pass(time.Duration(rapid.IntRange(0, 60).Draw(t, "s")) * time.Second)
			if v := d.r.Vote(d.now); v.Opinion == vote.Down && (v.Stage != probes.StageAuth || v.Reason != vote.Refused) {
				t.Fatalf("refused credentials voted as something else: %+v", v)
			}
		}
	})
}

func TestReadSideNeverLoses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDesk(Params{})
		d.healthy(200)
		o := rapid.SampledFrom(probes.Outcomes()).Draw(t, "outcome")
		for range rapid.IntRange(1, 60).Draw(t, "n") {
			d.r.ReadSide(d.now, &probes.Error{Stage: probes.StageRetrieve, Outcome: o})
			d.accept()
			d.pass(time.Duration(rapid.IntRange(0, 120).Draw(t, "s")) * time.Second)
			v := d.r.Vote(d.now)
			if v.Opinion == vote.Down && (v.Reason == vote.Overdue || v.Reason == vote.Missing) {
				t.Fatalf("missing because nobody could look: %+v", v)
			}
			if s := d.r.Slow(d.now); s.Opinion == vote.Down {
				t.Fatalf("slow because nobody could look: %+v", s)
			}
		}
	})
}

func TestOrderOfKnowledgeDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "n")
		obs := make([]Observation, n)
		at := zero
		for i := range obs {
			at = at.Add(time.Duration(rapid.IntRange(0, 60_000).Draw(t, "ms")) * time.Millisecond)
			obs[i] = Observation{Sent: at, Confirm: true, Outcome: rapid.SampledFrom([]probes.Outcome{probes.Delivered, probes.Delivered, probes.Failed,
				probes.Lost, probes.Throttled, probes.AuthFailed, probes.Junked, probes.Unknown, probes.InFlight}).Draw(t, "o")}
			binary.BigEndian.PutUint64(obs[i].ID[:], uint64(i+1))
		}
		now := at.Add(time.Minute)
		tell := func(order []int) *Route {
			r := NewRoute(Params{}, zero)
			for _, i := range order {
				r.Observe(now, obs[i])
			}
			return r
		}
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		a := tell(order)
		b := tell(rapid.Permutation(order).Draw(t, "order"))
		for q := range questions {
			x, y := a.weigh(now.Sub(zero), q), b.weigh(now.Sub(zero), q)
			if !cmp.Equal(x.w, y.w) || x.since != y.since || x.newest != y.newest || x.drought != y.drought {
				t.Fatalf("question %d: in order %+v, else %+v", q, x, y)
			}
		}
	})
}

func TestCorrectionRewritesThePast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t, 40)
		a, b := NewRoute(Params{}, zero), NewRoute(Params{}, zero)
		var now time.Time
		play(a, zero, events, func(t time.Time) { now = t })
		play(b, zero, events, func(time.Time) {})
		var id probes.ID
		sent := now.Add(time.Second)
		a.Observe(sent, Observation{ID: id, Sent: sent, Outcome: probes.Lost, Confirm: true})
		a.Observe(sent, Observation{ID: id, Sent: sent, Outcome: probes.Late, Confirm: true})
		b.Observe(sent, Observation{ID: id, Sent: sent, Outcome: probes.Late, Confirm: true})
		if x, y := a.weigh(a.at(sent), outage), b.weigh(b.at(sent), outage); x.w != y.w || x.since != y.since {
			t.Fatalf("lost, then late: %+v; late: %+v", x, y)
		}
	})
}

func TestOnlyDifferencesOfTimesMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t, 80)
		jump := time.Duration(rapid.Int64Range(-1e6, 1e6).Draw(t, "jump")) * time.Millisecond * 3600
		var votes [2][]vote.Vote
		for i, start := range []time.Time{zero, zero.Add(jump)} {
			r := NewRoute(Params{}, start)
			play(r, start, events, func(now time.Time) {
				v := r.Vote(now)
				if !v.Since.IsZero() {
					v.Since = zero.Add(v.Since.Sub(start))
				}
				votes[i] = append(votes[i], v)
			})
		}
		if d := cmp.Diff(votes[0], votes[1]); d != "" {
			t.Fatal(d)
		}
	})
}

func TestLearnedRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDesk(Params{})
		for range rapid.IntRange(0, 300).Draw(t, "n") {
			d.deliver(time.Duration(rapid.IntRange(1, 100_000).Draw(t, "ms")) * time.Millisecond)
			d.pass(time.Minute)
		}
		b, err := json.Marshal(d.r)
		if err != nil {
			t.Fatal(err)
		}
		back := NewRoute(Params{}, d.now)
		if err := json.Unmarshal(b, back); err != nil {
			t.Fatal(err)
		}
		d.r.lat.tabulate() // now: reading makes a table too
		for age := 0.01; age < 1000; age *= 1.3 {
			if x, y := d.r.lat.survival(age), back.lat.survival(age); math.Abs(x-y) > 0.01 {
				t.Fatalf("survival to %.2f s: %.4f before, %.4f after", age, x, y)
			}
		}
		if d.r.lat.slowness != back.lat.slowness || d.r.models[outage].p0 != back.models[outage].p0 {
			t.Fatal("slowness or p0 changed")
		}
	})
}

func TestHostileLearnedState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := NewRoute(Params{}, zero)
		b, _ := json.Marshal(r)
		i := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		b[i] = byte(rapid.IntRange(32, 126).Draw(t, "byte"))
		_ = json.Unmarshal(b, r) // any error, no panic
		r.Vote(zero.Add(time.Hour))
	})
}

func TestCheckpointsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := NewRoute(drawLegal(t), zero)
		play(r, zero, drawEvents(t, 200), func(now time.Time) {
			n := r.at(now)
			r.Vote(now)
			for q := range questions {
				got := r.weigh(n, q) // may be remembered, or resumed
				r.rewrite(-1)
				if want := r.weigh(n, q); got != want {
					t.Fatalf("question %d: resumed %+v, from the start %+v", q, got, want)
				}
			}
		})
	})
}
