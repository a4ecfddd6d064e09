package probes

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A canary goes through the journal as JSON and comes back whole.
func TestCanaryThroughJSON(t *testing.T) {
	at := time.Date(2026, 11, 22, 9, 0, 0, 123456789, time.UTC)
	c := Canary{
		ID: NewID(), Route: "r", Service: "s", Confirm: true, Trace: "00-x",
		Sent: at, Accepted: at.Add(1), Seen: at.Add(2), Resolved: at.Add(3), Latency: 4, Transit: 5,
		Timings: []Timing{{StageConnect, 6}, {StageData, 7}}, Outcome: Late, Stage: StageData,
		Reply: Reply{Code: 451, Enhanced: "4.7.1", Text: "later"}, Error: "e", QueueID: "q", Folder: "INBOX", Copies: 2, Altered: true,
		Hops: []Hop{{From: "a", By: "b", With: "c", ID: "d", At: at, Delay: -1, Skew: true}},
		TLS:  TLSFacts{Version: "TLS 1.3", Cipher: "c", NotAfter: at, Issuer: "i", Resumed: true, Verified: true}, Egress: "10.0.0.1",
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back Canary
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, back); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnEmptyCanaryIsShort(t *testing.T) {
	b, err := json.Marshal(Canary{})
	want := `{"id":"00000000000000000000000000","route":"","service":"","sent":"0001-01-01T00:00:00Z","outcome":"in_flight"}`
	if err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
}

func TestOutcomesAndStagesHaveNames(t *testing.T) {
	for _, o := range Outcomes() {
		var back Outcome
		b, _ := o.MarshalText()
		if err := back.UnmarshalText(b); err != nil || back != o {
			t.Errorf("%v: %v, %v", o, back, err)
		}
	}
	for _, s := range append(Stages(), StageNone) {
		var back Stage
		b, _ := s.MarshalText()
		if err := back.UnmarshalText(b); err != nil || back != s {
			t.Errorf("%v: %v, %v", s, back, err)
		}
	}
	if Outcome(99).String() != "outcome(99)" || Stage(99).String() != "stage(99)" {
		t.Error("what is no outcome has a name")
	}
	if new(Outcome).UnmarshalText([]byte("x")) == nil || new(Stage).UnmarshalText([]byte("")) == nil {
		t.Error("what is no name was read")
	}
}

// The table of docs/design.md section 4.
func TestWhatOutcomesMean(t *testing.T) {
	for _, c := range []struct {
		o                       Outcome
		w                       Weight
		arrived, open, accepted bool
	}{
		{InFlight, WeightPending, false, true, true},
		{Delivered, WeightAgainst, true, false, true},
		{Failed, WeightFull, false, false, false},
		{AuthFailed, WeightAccount, false, false, false},
		{Throttled, WeightAccount, false, false, false},
		{Policy, WeightAccount, false, false, false},
		{Ambiguous, WeightPending, false, true, true},
		{Late, WeightAgainst, true, false, true},
		{Junked, WeightAccount, true, false, true},
		{Bounced, WeightFull, false, false, true},
		{Lost, WeightFull, false, false, true},
		{Unknown, WeightNone, false, false, true},
	} {
		if c.o.Weight() != c.w || c.o.Arrived() != c.arrived || c.o.Open() != c.open || c.o.Accepted() != c.accepted {
			t.Errorf("%v: weight %d, arrived %v, open %v, accepted %v", c.o, c.o.Weight(), c.o.Arrived(), c.o.Open(), c.o.Accepted())
		}
	}
}
