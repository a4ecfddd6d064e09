//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mailquorum/coordinator/page/pagerduty/pagerdutytest"
	"mailquorum/internal/api"
)

// patience is how long anything may take that is to happen: the machine may be
// busy with other things.
const patience = 90 * time.Second

// scene is one part of the play: what is counted in it begins where all was well.
type scene struct {
	*testing.T
	*cluster
	began  time.Time
	calls0 int
	before map[string]float64 // outcomes
	copies float64
}

// outcomesCounted are those of which a scene counts the canaries.
var outcomesCounted = []string{"delivered", "failed", "auth_failed", "policy", "late", "junked", "bounced", "lost", "unknown"}

// enter mends everything, waits until all is well, and begins a scene there.
func (c *cluster) enter(t *testing.T) *scene {
	t.Helper()
	c.mend(t)
	c.fault(t, 0)
	for _, p := range c.proxies {
		p.cut(false)
	}
	for _, d := range c.all() {
		d.signal(18) // SIGCONT
		if !d.running() {
			if err := d.start(); err != nil {
				t.Fatal(err)
			}
		}
	}
	within(t, patience, "all is well", c.unwell)
	s := &scene{T: t, cluster: c, began: time.Now(), calls0: 0, before: map[string]float64{}}
	s.calls0 = len(c.calls(t, 0))
	for _, o := range outcomesCounted {
		s.before[o] = c.outcomes(t, o)
	}
	s.copies = c.total(t, "mailquorum_canary_duplicates_total")
	return s
}

// unwell says what is not well, "" when all is: every coordinator sees every
// region up, no incident is open, no canary is overdue, no alert is open.
func (c *cluster) unwell() string {
	for _, coord := range c.coords {
		l, err := c.light(coord)
		if err != nil {
			return err.Error()
		}
		if !allUp(l) {
			return fmt.Sprintf("%s shows %s: %s", coord, l.State, opinions(l))
		}
		all, err := fetch[[]api.Incident](c, coord, "/api/v1/incidents")
		if err != nil {
			return err.Error()
		}
		for _, in := range all {
			if in.State != "closed" {
				return fmt.Sprintf("%s is %s on %s", in.ID, in.State, coord)
			}
		}
		if _, err := c.get(coord, "/-/ready"); err != nil {
			return err.Error()
		}
	}
	for _, agent := range c.agents {
		if _, err := c.get(agent, "/-/ready"); err != nil {
			return err.Error()
		}
		if age, err := c.metric(agent, "mailquorum_oldest_pending_seconds"); err != nil || age > 4 {
			return fmt.Sprintf("%s waits for a canary for %.1f s (%v)", agent, age, err)
		}
	}
	alerts, err := fetch[[]pagerdutytest.Incident](c, "standin", "/incidents")
	if err != nil {
		return err.Error()
	}
	for _, a := range alerts {
		if a.Open() {
			return "the alert is open: " + a.Key
		}
	}
	return ""
}

// since is how many canaries came to an outcome in this scene.
func (s *scene) since(outcome string) float64 {
	s.Helper()
	return s.outcomes(s.T, outcome) - s.before[outcome]
}

// account writes all that came of canaries in this scene.
func (s *scene) account() string {
	s.Helper()
	var b strings.Builder
	for _, o := range outcomesCounted {
		if n := s.since(o); n != 0 {
			fmt.Fprintf(&b, "%s %v, ", o, n)
		}
	}
	if b.Len() == 0 {
		return "nothing so far"
	}
	return strings.TrimSuffix(b.String(), ", ")
}

// atLeast waits until n canaries have come to an outcome in this scene.
func (s *scene) atLeast(n float64, outcome string) {
	s.Helper()
	within(s.T, patience, fmt.Sprintf("%v canaries %s", n, outcome), func() string {
		if s.since(outcome) < n {
			return s.account()
		}
		return ""
	})
}

// none wants no canary to have come to these outcomes in this scene.
func (s *scene) none(outcomes ...string) {
	s.Helper()
	for _, o := range outcomes {
		if n := s.since(o); n != 0 {
			s.Errorf("%v canaries %s, want none (%s)", n, o, s.account())
		}
	}
}

// called lists the calls of this scene with an action; resolves that found no
// alert are repetitions of earlier ones, and left out.
func (s *scene) called(action string) []pagerdutytest.Call {
	s.Helper()
	var out []pagerdutytest.Call
	for _, call := range s.calls(s.T, s.calls0) {
		if call.Action == action && call.Effect != "dropped" {
			out = append(out, call)
		}
	}
	return out
}

// quiet wants nobody to have been paged in this scene, and no outage opened.
func (s *scene) quiet() {
	s.Helper()
	for _, call := range append(s.called("trigger"), s.called("resolve")...) {
		s.Errorf("paged: %s %s (%s) %s", call.Action, call.Key, call.Effect, call.Payload)
	}
	for _, coord := range s.coords {
		if in, err := s.incident(coord, "outage", s.began); err != nil || in.ID != "" {
			s.Errorf("%s opened %s (%v)\n%s", coord, in.ID, err, in.Drawing)
		}
	}
}

// everywhere waits until every coordinator has an outage of this scene for which
// ok returns "", and wants them to agree on it.
func (s *scene) everywhere(what string, ok func(api.Incident) string) api.Incident {
	s.Helper()
	var first api.Incident
	within(s.T, patience, what, func() string {
		for i, coord := range s.coords {
			in, err := s.incident(coord, "outage", s.began)
			if err != nil {
				return err.Error()
			}
			if in.ID == "" {
				l, err := s.light(coord)
				return fmt.Sprintf("%s knows of no outage: %s (%v)\n%s", coord, opinions(l), err, l.Drawing)
			}
			if missing := ok(in); missing != "" {
				return fmt.Sprintf("%s: %s", coord, missing)
			}
			if i == 0 {
				first = in
			} else if in.ID != first.ID || in.Epoch != first.Epoch || in.Key != first.Key {
				s.Fatalf("%s has %s (epoch %d, key %s), and %s has %s (epoch %d, key %s)", s.coords[0], first.ID, first.Epoch, first.Key,
					coord, in.ID, in.Epoch, in.Key)
			}
		}
		return ""
	})
	return first
}

// outage waits for the outage and its page: one call, and no second one.
func (s *scene) outage() api.Incident {
	s.Helper()
	in := s.everywhere("the outage is open on all coordinators", nothing)
	if !strings.Contains(in.Drawing, "✗") || in.Key != fmt.Sprintf("mailquorum/integration/outage/%s/%d", service, in.Epoch) {
		s.Errorf("incident %s, key %s:\n%s", in.ID, in.Key, in.Drawing)
	}
	s.Logf("declared %.1f s after all was well: %s\n%s", in.Opened.Sub(s.began).Seconds(), in.ID, in.Drawing)
	within(s.T, patience, "the page", func() string {
		if len(s.called("trigger")) == 0 {
			return "no trigger came"
		}
		return ""
	})
	s.everywhere("the page is known to all coordinators", func(in api.Incident) string {
		if in.Paged.IsZero() {
			return "not known to be paged"
		}
		return ""
	})
	s.onePage(in, 0)
	return in
}

// onePage wants exactly one trigger and so many resolves, all under the
// incident's key.
func (s *scene) onePage(in api.Incident, resolves int) {
	s.Helper()
	triggers, ends := s.called("trigger"), s.called("resolve")
	ok := len(triggers) == 1 && len(ends) == resolves
	for _, call := range append(triggers, ends...) {
		ok = ok && call.Key == in.Key && call.Accepted
	}
	if !ok {
		s.Errorf("want one trigger and %d resolves under %s, got %d and %d", resolves, in.Key, len(triggers), len(ends))
		for _, call := range append(triggers, ends...) {
			s.Logf("  %s %s %s: %d %s", call.At.Format("15:04:05.000"), call.Action, call.Key, call.Status, call.Effect)
		}
	}
}

// over waits for the end of the outage: recovering, closed, and one resolve.
func (s *scene) over(in api.Incident) api.Incident {
	s.Helper()
	end := s.everywhere("the outage is closed on all coordinators", func(now api.Incident) string {
		if now.State != "closed" {
			return fmt.Sprintf("%s, %+v", now.State, now.Count)
		}
		return ""
	})
	if end.ID != in.ID || end.Key != in.Key {
		s.Errorf("opened as %s (%s), closed as %s (%s)", in.ID, in.Key, end.ID, end.Key)
	}
	if end.Recovering.IsZero() || end.Closed.Before(end.Recovering) || end.Recovering.Before(end.Opened) {
		s.Errorf("opened %v, recovering %v, closed %v", end.Opened, end.Recovering, end.Closed)
	}
	within(s.T, patience, "the resolve", func() string {
		if len(s.called("resolve")) == 0 {
			return "no resolve came"
		}
		return ""
	})
	s.onePage(in, 1)
	s.Logf("closed: %+v; canaries: %s", end.Count, s.account())
	return end
}

// closing is what a coordinator's time line says at the close.
func (s *scene) closing(coord string, in api.Incident) string {
	s.Helper()
	full, err := fetch[api.Incident](s.cluster, coord, "/api/v1/incidents/"+in.ID)
	if err != nil {
		s.Fatal(err)
	}
	for _, e := range full.Timeline {
		if e.What == "closed" {
			return e.Text
		}
	}
	s.Errorf("%s: the time line of %s has no close: %+v", coord, in.ID, full.Timeline)
	return ""
}
