package evidence

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

func down(w float64) vote.Vote {
	return vote.Vote{Opinion: vote.Down, Reason: vote.Unreachable, Stage: probes.StageConnect, Weight: w}
}

func TestControls(t *testing.T) {
	l := NewLocal(Params{})
	now := zero
	check := func(o vote.Opinion, why vote.Reason) {
		t.Helper()
		if v := l.Judge(now, down(8)); v.Opinion != o || v.Reason != why {
			t.Fatalf("at %v: %v %v, want %v %v", now.Sub(zero), v.Opinion, v.Reason, o, why)
		}
	}
	check(vote.Down, vote.Unreachable) // no controls, no doubt
	l.Controls(now, 3, 3)
	check(vote.Down, vote.Unreachable)
	now = now.Add(10 * time.Second)
	if !l.Controls(now, 1, 3) {
		t.Fatal("two of three failed: a local fault")
	}
	check(vote.Abstain, vote.ControlFails)
	if v := l.Judge(now, vote.Vote{Opinion: vote.Up}); v.Opinion != vote.Up {
		t.Errorf("canaries that arrive are no local fault: %+v", v)
	}
	for range 5 {
		now = now.Add(10 * time.Second)
		l.Controls(now, 3, 3)
		check(vote.Abstain, vote.ControlFails)
	}
	now = now.Add(10 * time.Second)
	l.Controls(now, 3, 3)
	check(vote.Down, vote.Unreachable)
	now = now.Add(31 * time.Second) // they have not been run since
	check(vote.Abstain, vote.ControlFails)
}

func TestClockAndStarvation(t *testing.T) {
	l := NewLocal(Params{})
	l.Clock(zero, true)
	for _, o := range []vote.Opinion{vote.Up, vote.Down, vote.Unsettled} {
		if v := l.Judge(zero, vote.Vote{Opinion: o, Weight: 9}); v.Opinion != vote.Abstain || v.Reason != vote.BadClock {
			t.Errorf("%v with a bad clock: %+v", o, v)
		}
	}
	l.Clock(zero, false)
	l.Starved(zero, true)
	if v := l.Judge(zero, down(9)); v.Reason != vote.Starved {
		t.Errorf("starved: %+v", v)
	}
	l.Starved(zero, false)
	if v := l.Judge(zero, down(9)); v.Opinion != vote.Down {
		t.Errorf("well: %+v", v)
	}
}

func TestProbation(t *testing.T) {
	l := NewLocal(Params{})
	now := zero
	for i := range 4 {
		if v := l.Judge(now, down(9)); v.Opinion != vote.Down {
			t.Fatalf("episode %d: %+v", i, v)
		}
		l.Peers(now, "mail", true, 0)
		now = now.Add(time.Hour)
		l.Peers(now, "mail", false, 0)
		l.Peers(now, "mail", true, 2) // in company: no harm
		now = now.Add(time.Hour)
		l.Peers(now, "mail", false, 0)
	}
	if v := l.Judge(now, down(9)); v.Opinion != vote.Abstain || v.Reason != vote.Probation {
		t.Fatalf("after four lonely episodes: %+v", v)
	}
	now = now.Add(20 * time.Hour)
	if v := l.Judge(now, down(9)); v.Opinion != vote.Down {
		t.Fatalf("a day later: %+v", v)
	}
}

func TestCombine(t *testing.T) {
	u, d, a, x := vote.Vote{Opinion: vote.Up}, down(6), vote.Vote{Opinion: vote.Abstain}, vote.Vote{}
	auth := vote.Vote{Opinion: vote.Down, Stage: probes.StageAuth, Reason: vote.Refused, Weight: 9}
	for _, c := range []struct {
		how   roster.Combine
		votes []vote.Vote
		want  vote.Opinion
	}{
		{roster.Any, nil, vote.Unsettled},
		{"", []vote.Vote{u, u}, vote.Up},
		{roster.Any, []vote.Vote{u, d, a}, vote.Down},
		{roster.Any, []vote.Vote{u, a, x}, vote.Abstain},
		{roster.Any, []vote.Vote{u, x}, vote.Unsettled},
		{roster.All, []vote.Vote{u, d}, vote.Up},
		{roster.All, []vote.Vote{d, d}, vote.Down},
		{roster.All, []vote.Vote{d, a}, vote.Abstain},
		{roster.All, []vote.Vote{d, x}, vote.Unsettled},
	} {
		if v := Combine(c.how, c.votes); v.Opinion != c.want {
			t.Errorf("%s of %v: %v, want %v", c.how, c.votes, v.Opinion, c.want)
		}
	}
	if v := Combine(roster.Any, []vote.Vote{auth, d}); v.Stage != probes.StageConnect {
		t.Errorf("an auth vote spoke for a connect vote: %+v", v)
	}
	rapid.Check(t, func(t *rapid.T) { // order does not matter
		votes := rapid.SliceOf(rapid.SampledFrom([]vote.Vote{u, d, a, x, auth})).Draw(t, "votes")
		how := rapid.SampledFrom([]roster.Combine{roster.Any, roster.All}).Draw(t, "how")
		if p := Combine(how, rapid.Permutation(votes).Draw(t, "order")); p != Combine(how, votes) {
			t.Fatalf("%v and %v", p, Combine(how, votes))
		}
	})
}

func TestValidate(t *testing.T) {
	for _, p := range []Params{{H: 4.5}, {P0: 0.001}, {P1: 0.005}, {Rho: 0.95}, {Tau: -1}, {Deadline: time.Second}, {P0: 0.3}} {
		if p.Validate() == nil {
			t.Errorf("%+v is legal", p)
		}
	}
	if err := (Params{}).Validate(); err != nil {
		t.Error(err)
	}
	if err := FromTiming(roster.DefaultTiming().Scaled(0.05)).Validate(); err != nil {
		t.Error(err)
	}
}
