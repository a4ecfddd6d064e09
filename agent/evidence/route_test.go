package evidence

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"mailquorum/internal/vote"
	"mailquorum/probes"
)

var zero = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// desk feeds a route and keeps its own count of canaries.
type desk struct {
	r   *Route
	now time.Time
	n   uint64
}

func newDesk(p Params) *desk { return &desk{r: NewRoute(p, zero), now: zero} }

func (d *desk) id() (id probes.ID) {
	d.n++
	binary.BigEndian.PutUint64(id[:], d.n)
	return id
}

func (d *desk) pass(t time.Duration) { d.now = d.now.Add(t) }

func (d *desk) deliver(latency time.Duration) {
	id, sent := d.id(), d.now
	d.r.Accepted(sent, id, sent)
	d.r.Observe(sent.Add(latency), Observation{ID: id, Sent: sent, Outcome: probes.Delivered, Latency: latency})
}

func (d *desk) fail(o probes.Outcome, s probes.Stage) probes.ID {
	id := d.id()
	d.r.Observe(d.now, Observation{ID: id, Sent: d.now, Outcome: o, Stage: s, Reply: probes.Reply{Code: 421, Enhanced: "4.3.0"}})
	return id
}

func (d *desk) accept() probes.ID {
	id := d.id()
	d.r.Accepted(d.now, id, d.now)
	return id
}

// latency i of a fixed, long-tailed sequence with median 4 s and 99th percentile 16 s.
func latency(i int) time.Duration {
	u := (float64(i*7919%1000) + 0.5) / 1000
	return time.Duration(4e9 * math.Exp(0.6*math.Sqrt2*math.Erfinv(2*u-1)))
}

// healthy runs a route through n good canaries, one an interval.
func (d *desk) healthy(n int) {
	for i := range n {
		d.deliver(latency(i))
		d.pass(d.r.p.Interval)
	}
}

func (d *desk) want(t *testing.T, o vote.Opinion, why vote.Reason, s probes.Stage) vote.Vote {
	t.Helper()
	v := d.r.Vote(d.now)
	if v.Opinion != o || v.Reason != why || v.Stage != s {
		t.Fatalf("at %v: vote is %v %v %v W %.2f, want %v %v %v", d.now.Sub(zero), v.Opinion, v.Reason, v.Stage, v.Weight, o, why, s)
	}
	return v
}

func TestWeightsOfTheDesign(t *testing.T) {
	p := Params{}.WithDefaults()
	m := newModel(&p, p.P0, p.P1)
	for _, x := range []struct {
		after time.Duration
		want  float64
	}{{5 * time.Second, 0.86}, {10 * time.Second, 1.02}, {30 * time.Second, 1.6}, {60 * time.Second, 2.6}} {
		var c cusum
		if first := c.bad(&m, 0, 0); math.Abs(first-4.25) > 0.005 {
			t.Errorf("first failure weighs %.3f, want 4.25", first)
		}
		if later := c.bad(&m, x.after, 0); math.Abs(later-x.want) > 0.06 {
			t.Errorf("a failure %v later weighs %.3f, want %.2f", x.after, later, x.want)
		}
	}
	if math.Abs(m.ok+0.68) > 0.005 || math.Abs(m.fail-3.91) > 0.005 {
		t.Errorf("ok weighs %.3f and a failure takes %.3f from V, want -0.68 and 3.91", m.ok, m.fail)
	}
}

func TestLifeOfARoute(t *testing.T) {
	d := newDesk(Params{})
	d.want(t, vote.Unsettled, vote.NoData, 0)
	d.healthy(2000)
	d.want(t, vote.Up, vote.None, 0)

	onset := d.now
	d.fail(probes.Failed, probes.StageConnect)
	if v := d.want(t, vote.Unsettled, vote.None, 0); v.Weight < 4 {
		t.Errorf("weight %.2f after one failure", v.Weight)
	}
	if !d.r.Suspicious(d.now) {
		t.Error("one failure should ask for confirmation")
	}
	d.pass(10 * time.Second)
	d.fail(probes.Failed, probes.StageTLS)
	v := d.want(t, vote.Down, vote.Unreachable, probes.StageTLS)
	if !v.Since.Equal(onset) || v.Code != 421 || v.Enhanced != "4.3.0" || v.Backing != 0 {
		t.Errorf("vote %+v", v)
	}

	for range 6 {
		d.pass(15 * time.Second)
		d.deliver(4 * time.Second)
		if v := d.r.Vote(d.now); v.Opinion == vote.Up {
			t.Fatalf("up too early: %+v", v)
		}
	}
	d.pass(15 * time.Second)
	d.deliver(4 * time.Second)
	d.want(t, vote.Up, vote.None, 0)
}

func TestSilentQueue(t *testing.T) {
	d := newDesk(Params{})
	d.healthy(2000)
	start := d.now
	var down time.Duration
	first := d.accept()
	for s := 0; s < 120 && down == 0; s++ {
		d.pass(time.Second)
		if s == 30 || s == 35 || s == 59 {
			d.accept()
		}
		if v := d.r.Vote(d.now); v.Opinion == vote.Down {
			down = d.now.Sub(start)
			d.want(t, vote.Down, vote.Overdue, probes.StageTransit)
			if !v.Since.Equal(start) {
				t.Errorf("since %v, want %v", v.Since, start)
			}
		}
	}
	if down == 0 || down > 60*time.Second {
		t.Errorf("silent queue seen after %v", down)
	}
	d.r.Observe(d.now, Observation{ID: first, Sent: start, Outcome: probes.Delivered, Latency: d.now.Sub(start)})
	if v := d.r.Vote(d.now); v.Opinion == vote.Down {
		t.Errorf("still down after the oldest was delivered: %+v", v)
	}
}

func TestOneLostCanaryStaysOne(t *testing.T) {
	d := newDesk(Params{})
	d.healthy(500)
	lost, sent := d.accept(), d.now
	for range 4 {
		d.pass(time.Minute)
		d.deliver(3 * time.Second)
		if v := d.r.Vote(d.now); v.Opinion == vote.Down {
			t.Fatalf("down: %+v", v)
		}
	}
	d.pass(time.Minute)
	d.r.Observe(d.now, Observation{ID: lost, Sent: sent, Outcome: probes.Lost})
	d.want(t, vote.Up, vote.None, 0) // four successes since outweigh it
	if d.r.Suspicious(d.now) {
		t.Error("an old loss, already outweighed, is no suspicion")
	}
}

func TestReadSide(t *testing.T) {
	d := newDesk(Params{})
	d.healthy(500)
	refused := &probes.Error{Stage: probes.StageRetrieve, Outcome: probes.Failed}
	for range 3 {
		d.accept()
		d.r.ReadSide(d.now, refused)
		d.pass(10 * time.Second)
	}
	d.want(t, vote.Down, vote.Unreadable, probes.StageRetrieve)
	d.pass(10 * time.Minute)
	if v := d.r.Vote(d.now); v.Reason == vote.Overdue {
		t.Errorf("mail that nobody could look for is overdue: %+v", v)
	}

	d = newDesk(Params{})
	d.healthy(500)
	d.r.ReadSide(d.now, &probes.Error{Stage: probes.StageRetrieve, Outcome: probes.Unknown})
	for range 20 {
		d.accept()
		d.pass(20 * time.Second)
		d.r.ReadSide(d.now, &probes.Error{Stage: probes.StageRetrieve, Outcome: probes.Unknown})
		if v := d.r.Vote(d.now); v.Opinion == vote.Down {
			t.Fatalf("our parser's failures voted down: %+v", v)
		}
	}
}

func TestAuth(t *testing.T) {
	d := newDesk(Params{})
	d.healthy(500)
	for range 3 {
		d.fail(probes.AuthFailed, probes.StageAuth)
		d.pass(30 * time.Second)
	}
	d.want(t, vote.Down, vote.Refused, probes.StageAuth)
	if v := d.r.Account(d.now); v.Opinion != vote.Down || v.Reason != vote.OwnAccount || v.Stage != probes.StageAuth {
		t.Errorf("account: %+v", v)
	}
}

func TestDegraded(t *testing.T) {
	d := newDesk(Params{})
	d.healthy(2000)
	if v := d.r.Slow(d.now); v.Opinion != vote.Up {
		t.Fatalf("slow: %+v", v)
	}
	for range 8 {
		d.deliver(25 * time.Second)
		d.pass(time.Minute)
		if v := d.r.Vote(d.now); v.Opinion == vote.Down {
			t.Fatalf("slow mail voted down: %+v", v)
		}
	}
	if v := d.r.Slow(d.now); v.Opinion != vote.Down || v.Reason != vote.Slow {
		t.Errorf("slow: %+v", v)
	}
}

func TestExcuse(t *testing.T) {
	d := newDesk(Params{})
	d.healthy(500)
	d.fail(probes.Failed, probes.StageConnect)
	late, sent := d.accept(), d.now
	d.pass(5 * time.Second)
	d.r.Excuse(d.now)
	d.fail(probes.Failed, probes.StageConnect)
	d.pass(5 * time.Minute)
	d.r.Observe(d.now, Observation{ID: late, Sent: sent, Outcome: probes.Lost})
	if v := d.r.Vote(d.now); v.Weight != 0 {
		t.Errorf("excused failures weigh %.2f", v.Weight)
	}
	d.fail(probes.Failed, probes.StageConnect)
	if v := d.r.Vote(d.now); v.Weight < 4 {
		t.Errorf("a failure after the local fault weighs %.2f", v.Weight)
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	d := newDesk(Params{})
	d.healthy(1000)
	if n := testing.AllocsPerRun(500, func() {
		d.deliver(4 * time.Second)
		d.pass(time.Second)
		d.r.Vote(d.now)
		d.r.Slow(d.now)
		d.r.Account(d.now)
		d.r.Suspicious(d.now)
	}); n > 0.1 { // one table in 64 canaries
		t.Errorf("%.2f allocations a canary", n)
	}
}

func BenchmarkHealthyCanary(b *testing.B) {
	d := newDesk(Params{})
	d.healthy(1000)
	b.ReportAllocs()
	for b.Loop() {
		d.deliver(4 * time.Second)
		d.pass(time.Second)
		d.r.Vote(d.now)
	}
}

func BenchmarkVoteInOutage(b *testing.B) {
	d := newDesk(Params{})
	d.healthy(1000)
	for i := range 40 {
		if i%2 == 0 {
			d.fail(probes.Failed, probes.StageConnect)
		} else {
			d.accept()
		}
		d.pass(15 * time.Second)
	}
	b.ReportAllocs()
	for b.Loop() {
		d.r.Vote(d.now)
	}
}

// Only a server that answered has refused: silence and a cut at any stage of the
// submission are as unreachable as a closed port.
func TestNoAnswerIsNoRefusal(t *testing.T) {
	for _, stage := range probes.Stages() {
		if stage >= probes.StageTransit {
			break
		}
		for _, code := range []int{0, 421} {
			want := vote.Refused
			if code == 0 || stage <= probes.StageTLS {
				want = vote.Unreachable
			}
			d := newDesk(Params{})
			d.healthy(100)
			for range 3 {
				d.r.Observe(d.now, Observation{ID: d.id(), Sent: d.now, Outcome: probes.Failed, Stage: stage, Reply: probes.Reply{Code: code}})
				d.pass(10 * time.Second)
			}
			d.want(t, vote.Down, want, stage)
		}
	}
}
