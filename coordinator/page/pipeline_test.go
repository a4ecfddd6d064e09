package page_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mailquorum/coordinator/page"
	"mailquorum/coordinator/page/pagerduty/pagerdutytest"
	"mailquorum/coordinator/store"
)

// inWorld runs a story in virtual time with three coordinators that have settled.
func inWorld(t *testing.T, story func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		story(t, w)
		w.stop()
	})
}

func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func want(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d, want %d", what, got, want)
	}
}

func TestOnePageAndOneResolve(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		opened := time.Now()
		w.decide(key(1), true)
		sleep(20 * time.Minute)
		want(t, "triggers sent", len(w.calls(store.Trigger, false)), 1)
		if took := w.pd.Incidents()[0].Opened.Sub(opened); took > rank/2 {
			t.Errorf("the page took %v", took)
		}
		for _, n := range w.nodes {
			if j, _ := n.store.Job(store.JobID{Key: key(1), Action: store.Trigger}); j.State != store.Done || !strings.Contains(j.Why, w.ranked(key(1))[0].name) {
				t.Errorf("%s: job %+v", n.name, j)
			}
		}
		w.decide(key(1), false)
		sleep(50 * time.Second)
		want(t, "resolves sent", len(w.calls(store.Resolve, false)), 1)
		want(t, "alerts open", w.openAlerts(), 0)
		sleep(time.Hour)
		resolves := w.calls(store.Resolve, false)
		want(t, "resolves and their repetitions", len(resolves), 5)
		for i, at := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute} {
			if late := resolves[i+1].At.Sub(resolves[0].At) - at; late < -time.Second || late > 2*rank || resolves[i+1].Effect != "dropped" {
				t.Errorf("repetition %d: %v late, %s", i+1, late, resolves[i+1].Effect)
			}
		}
		for _, n := range w.nodes {
			want(t, "waiting jobs of "+n.name, len(n.store.Jobs(false)), 0)
		}
	})
}

func TestDeadFirstRankDelaysTheNext(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ranked := w.ranked(key(1))
		ranked[0].crash()
		opened := time.Now()
		w.decide(key(1), true)
		sleep(time.Minute)
		want(t, "triggers sent", len(w.calls(store.Trigger, false)), 1)
		if took := w.pd.Incidents()[0].Opened.Sub(opened); took < rank || took > rank+time.Second {
			t.Errorf("the page took %v", took)
		}
		ranked[1].crash()
		ranked[0].start()
		w.decide(key(1), false)
		sleep(time.Minute)
		want(t, "alerts open", w.openAlerts(), 0)
	})
}

func TestDeathBetweenIntentAndReceiptDelaysTheNextRank(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.ranked(key(1))[0]
		first.slow = time.Second
		opened := time.Now()
		for _, n := range w.nodes {
			n.decide(key(1), true)
		}
		sleep(500 * time.Millisecond) // the intent is out, PagerDuty has nothing
		first.crash()
		sleep(time.Minute)
		want(t, "triggers accepted", len(w.calls(store.Trigger, true)), 1)
		if took := w.pd.Incidents()[0].Opened.Sub(opened); took < rank || took > 2*rank {
			t.Errorf("the page took %v", took)
		}
	})
}

func TestCrashBetweenDecisionAndPageIsMadeUpOnRestart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, n := range w.nodes {
			n.crash()
			n.decide(key(1), true) // committed, and never sent
		}
		sleep(time.Minute)
		want(t, "triggers", len(w.calls(store.Trigger, false)), 0)
		last := w.ranked(key(1))[2] // the worst rank returns alone
		last.start()
		sleep(settle + 2*rank + time.Second)
		want(t, "triggers", len(w.calls(store.Trigger, true)), 1)
		for _, n := range w.ranked(key(1))[:2] {
			n.start()
		}
		sleep(time.Minute)
		want(t, "triggers after all are back", len(w.calls(store.Trigger, true)), 1)
	})
}

func TestPagerDutyFailsForTenMinutes(t *testing.T) {
	for name, fault := range map[string]pagerdutytest.Fault{
		"429":               {Status: http.StatusTooManyRequests},
		"429 and a pause":   {Status: http.StatusTooManyRequests, RetryAfter: 40},
		"500":               {Status: http.StatusInternalServerError},
		"connections cut":   {Cut: true},
		"no answer at all":  {Cut: true, Hang: time.Hour},
		"a captive portal":  {Status: http.StatusOK},
		"redirected":        {Status: http.StatusFound},
		"refused as broken": {Status: http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.pd.SetFault(fault)
				opened := time.Now()
				w.decide(key(1), true)
				sleep(10 * time.Minute)
				tries := len(w.calls(store.Trigger, false))
				if tries < 10 || tries > 60 {
					t.Errorf("%d attempts in ten minutes", tries)
				}
				second := w.second.Incidents()
				if len(second) != 1 || second[0].Triggers != 1 {
					t.Fatalf("second destination: %+v, want one page", second)
				}
				if took := second[0].Opened.Sub(opened); took > 15*rank+3*rank {
					t.Errorf("the second destination was told after %v", took)
				}
				w.pd.SetFault(pagerdutytest.Fault{})
				sleep(3 * time.Minute)
				want(t, "triggers accepted", len(w.calls(store.Trigger, true)), 1)
				w.decide(key(1), false)
				sleep(time.Hour)
				want(t, "alerts open", w.openAlerts(), 0)
				if w.second.Incidents()[0].Open() {
					t.Error("the second destination's alert stays open")
				}
			})
		})
	}
}

// Time-outs after acceptance: PagerDuty has it, and nobody knows. The key folds
// what is sent again.
func TestAcceptedButNotAnswered(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.pd.SetFault(pagerdutytest.Fault{Accept: true, Cut: true, Hang: time.Hour, Times: 4})
		w.decide(key(1), true)
		sleep(5 * time.Minute)
		w.decide(key(1), false)
		sleep(time.Hour)
		want(t, "alerts", len(w.pd.Incidents()), 1)
		want(t, "alerts open", w.openAlerts(), 0)
	})
}

func TestTriggerDiesWithItsIncident(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.pd.SetFault(pagerdutytest.Fault{Status: http.StatusTooManyRequests}) // certainly not accepted
		w.decide(key(1), true)
		sleep(30 * time.Second)
		w.decide(key(1), false)
		sleep(10 * time.Second)
		w.pd.SetFault(pagerdutytest.Fault{})
		sleep(time.Hour)
		want(t, "events accepted", len(w.calls(store.Trigger, true))+len(w.calls(store.Resolve, true)), 0)
		for _, n := range w.nodes {
			want(t, "waiting jobs of "+n.name, len(n.store.Jobs(false)), 0)
		}
	})
}

func TestNothingIsSentWithoutAFreshCertificate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, n := range w.nodes {
			n.store.Note(store.Change{Jobs: []store.Job{page.TriggerJob(time.Now(), event(key(1)))}})
			n.p.Wake()
		}
		sleep(5 * time.Minute)
		want(t, "triggers", len(w.calls(store.Trigger, false)), 0)
		for _, n := range w.nodes {
			n.set(key(1), page.Send)
		}
		sleep(4 * rank)
		want(t, "triggers", len(w.calls(store.Trigger, false)), 1)
	})
}

// The coordinators cannot hear each other: each pages, under one key.
func TestPartitionFoldsIntoOneAlert(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for i, n := range w.nodes {
			n.group = i
		}
		w.decide(key(1), true)
		sleep(time.Minute)
		want(t, "triggers", len(w.calls(store.Trigger, true)), 3)
		want(t, "alerts", len(w.pd.Incidents()), 1)
		w.decide(key(1), false)
		sleep(time.Hour)
		want(t, "alerts", len(w.pd.Incidents()), 1)
		want(t, "alerts open", w.openAlerts(), 0)
	})
}

// One coordinator is cut off with its trigger still on the way, the others close:
// its late trigger opens a new alert, which a repeated resolve ends.
func TestLateTriggerIsSwept(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.ranked(key(1))[0]
		w.decide(key(1), true)
		sleep(time.Minute)
		for _, n := range w.nodes {
			if n != first {
				n.group = 1
			}
		}
		for _, n := range w.nodes {
			if n != first {
				n.decide(key(1), false)
			}
		}
		sleep(20 * time.Second)
		want(t, "alerts open", w.openAlerts(), 0)
		late := `{"routing_key":"k","event_action":"trigger","dedup_key":"` + key(1) + `","payload":{"summary":"late","source":"x","severity":"critical"}}`
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://pd.test/v2/enqueue", strings.NewReader(late))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.pd.RoundTrip(req); err != nil {
			t.Fatal(err)
		}
		want(t, "alerts open", w.openAlerts(), 1)
		sleep(2 * time.Minute)
		want(t, "alerts open after the sweep", w.openAlerts(), 0)
	})
}

// Only the first in rank can not reach PagerDuty: the next one does, at its turn.
func TestOneCoordinatorCannotReachPagerDuty(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ranked(key(1))[0].noPD = true
		opened := time.Now()
		w.decide(key(1), true)
		sleep(time.Minute)
		want(t, "triggers accepted", len(w.calls(store.Trigger, true)), 1)
		if took := w.pd.Incidents()[0].Opened.Sub(opened); took > rank+time.Second {
			t.Errorf("the page took %v", took)
		}
	})
}

// An answer that takes longer than a turn is waited for by all.
func TestSlowAnswerIsNotDisturbed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ranked(key(1))[0].slow = rank * 5 / 4
		w.decide(key(1), true)
		sleep(time.Minute)
		want(t, "triggers", len(w.calls(store.Trigger, false)), 1)
	})
}

// The coordinator says that the incident is over, and no resolve was decided yet.
func TestTriggerIsDroppedWhenItIsNotTrueAnyMore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := w.nodes[0]
		n.store.Note(store.Change{Jobs: []store.Job{page.TriggerJob(time.Now(), event(key(1)))}})
		n.set(key(1), page.Drop)
		n.p.Wake()
		sleep(time.Minute)
		if j, _ := n.store.Job(store.JobID{Key: key(1), Action: store.Trigger}); j.State != store.Dropped {
			t.Errorf("job %+v", j)
		}
		want(t, "triggers", len(w.calls(store.Trigger, false)), 0)
	})
}

// The only coordinator dies after PagerDuty took the page and before it could
// say so. Later attempts are certainly refused: the alert is open all the same,
// and must be resolved.
func TestAttemptThatNobodySawTheEndOf(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := w.nodes[0]
		for _, o := range w.nodes[1:] {
			o.crash()
		}
		w.pd.SetFault(pagerdutytest.Fault{Accept: true, Status: 202, Hang: 3 * time.Second})
		n.decide(key(1), true)
		for len(w.pd.Incidents()) == 0 {
			sleep(time.Second)
		}
		n.crash()
		w.pd.SetFault(pagerdutytest.Fault{Status: http.StatusTooManyRequests})
		n.start()
		sleep(time.Minute)
		if c := n.store.Claims(key(1)); len(c) == 0 || c[0].State != store.Failed || !c[0].Maybe {
			t.Errorf("claims %+v", c)
		}
		n.decide(key(1), false)
		w.pd.SetFault(pagerdutytest.Fault{})
		sleep(3 * time.Minute)
		want(t, "alerts open", w.openAlerts(), 0)
	})
}

// The routing key is revoked while an alert is open: its resolve is given up
// after a day, and until then tried about once a minute.
func TestRefusedResolveIsGivenUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := w.nodes[0]
		for _, o := range w.nodes[1:] {
			o.crash()
		}
		n.decide(key(1), true)
		sleep(time.Minute)
		w.pd.SetFault(pagerdutytest.Fault{Status: http.StatusBadRequest})
		n.decide(key(1), false)
		sleep(25 * time.Hour)
		if tries := len(w.calls(store.Resolve, false)); tries < 300 || tries > 1500 {
			t.Errorf("%d attempts", tries)
		}
		want(t, "waiting jobs", len(n.store.Jobs(false)), 0)
	})
}

func TestReturningCoordinatorKnowsThatItWasPaged(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.ranked(key(1))[0]
		first.crash()
		w.decide(key(1), true)
		sleep(time.Minute)
		first.start() // learns the receipts by push/pull, with its own decision waiting
		sleep(time.Minute)
		want(t, "triggers", len(w.calls(store.Trigger, false)), 1)
	})
}

func TestManyPagesAreSharedOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for i := range 30 {
			for _, n := range w.nodes {
				n.decide(key(i), true)
			}
		}
		sleep(time.Minute)
		want(t, "triggers", len(w.calls(store.Trigger, false)), 30)
		by := map[string]int{}
		for _, c := range w.nodes[0].store.Claims("") {
			if c.State == store.Sent {
				by[c.Coordinator]++
			}
		}
		if len(by) != 3 {
			t.Errorf("sent by %v, want a share for each", by)
		}
	})
}
