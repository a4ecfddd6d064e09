package journal

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mailquorum/internal/report"
	"mailquorum/probes"
)

func open(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func TestCanariesSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.db")
	j := open(t, path)
	now := time.Now().UTC().Truncate(time.Millisecond)
	c := probes.Canary{ID: probes.NewID(), Route: "r", Service: "s", Sent: now, Outcome: probes.Ambiguous, Trace: "00-x"}
	if err := j.Begin(c); err != nil {
		t.Fatal(err)
	}
	c.Outcome, c.Accepted, c.QueueID = probes.InFlight, now.Add(time.Second), "4F2"
	c.Timings = []probes.Timing{{Stage: probes.StageTLS, Duration: 12345}}
	if err := j.Save(c); err != nil {
		t.Fatal(err)
	}
	done := probes.Canary{ID: probes.NewID(), Route: "r", Service: "s", Sent: now, Outcome: probes.Delivered}
	if err := j.Save(done); err != nil {
		t.Fatal(err)
	}
	j.Close()

	j = open(t, path)
	var got []probes.Canary
	if err := j.Unfinished(now.Add(-time.Hour), func(c probes.Canary) { got = append(got, c) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]probes.Canary{c}, got); diff != "" {
		t.Errorf("unfinished canaries (-want +got):\n%s", diff)
	}
	if err := j.Unfinished(now, func(probes.Canary) { t.Error("a canary older than the retention is followed") }); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := j.Canary(done.ID); !ok || err != nil {
		t.Errorf("finished canary not found: %v %v", ok, err)
	}
	if _, ok, err := j.Canary(probes.NewID()); ok || err != nil {
		t.Errorf("a canary that was never sent: %v %v", ok, err)
	}
}

func TestCountLeavesConfirmCanariesOut(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "agent.db"))
	onset := time.Now()
	put := func(at time.Time, o probes.Outcome, confirm bool, service string) {
		if err := j.Save(probes.Canary{ID: probes.NewID(), Service: service, Sent: at, Outcome: o, Confirm: confirm}); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range probes.Outcomes() {
		put(onset.Add(time.Second), o, false, "s")
	}
	put(onset.Add(-time.Second), probes.Lost, false, "s")
	put(onset.Add(time.Second), probes.Lost, true, "s")
	put(onset.Add(time.Second), probes.Lost, false, "other")
	got, err := j.Count("s", onset)
	want := report.Count{Sent: 12, Delivered: 2, Late: 1, Failed: 5, Lost: 1, Pending: 2, Unknown: 1}
	if err != nil || got != want {
		t.Errorf("Count = %+v, %v; want %+v", got, err, want)
	}
}

func TestDamagedRowIsReportedAndTheOthersAreRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.db")
	j := open(t, path)
	good, bad := probes.NewID(), probes.NewID()
	for _, id := range []probes.ID{good, bad} {
		if err := j.Save(probes.Canary{ID: id, Service: "s", Sent: time.Now(), Outcome: probes.InFlight}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.flip(bad); err != nil {
		t.Fatal(err)
	}
	var got []probes.ID
	err := j.Unfinished(time.Time{}, func(c probes.Canary) { got = append(got, c.ID) })
	if err == nil || len(got) != 1 || got[0] != good {
		t.Errorf("read %v, error %v; want only the good row, and an error", got, err)
	}
}

func TestLearnedIsKept(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "agent.db"))
	if b, err := j.Learned("r"); b != nil || err != nil {
		t.Errorf("learned before learning: %q, %v", b, err)
	}
	for _, want := range []string{"one", "two"} {
		if err := j.SaveLearned("r", []byte(want)); err != nil {
			t.Fatal(err)
		}
		if b, err := j.Learned("r"); string(b) != want || err != nil {
			t.Errorf("learned %q, %v; want %q", b, err, want)
		}
	}
}

func TestPruneForgetsTheOldAlone(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "agent.db"))
	now := time.Now()
	young := probes.Canary{ID: probes.NewID(), Route: "r", Service: "s", Sent: now, Outcome: probes.Lost}
	if err := j.Save(young); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := j.Save(probes.Canary{ID: probes.NewID(), Route: "r", Service: "s", Sent: now.Add(-8 * 24 * time.Hour), Outcome: probes.Delivered}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int64{3, 0} {
		if n, err := j.Prune(now.Add(-7 * 24 * time.Hour)); n != want || err != nil {
			t.Errorf("forgot %d, want %d: %v", n, want, err)
		}
	}
	if _, ok, err := j.Canary(young.ID); !ok || err != nil {
		t.Errorf("the young one: %v %v", ok, err)
	}
}
