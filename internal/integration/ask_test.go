//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"mailquorum/coordinator/page/pagerduty/pagerdutytest"
	"mailquorum/internal/api"
	"mailquorum/internal/vote"
)

// get is what a node answers to GET of a path; its error says why not.
func (c *cluster) get(node, path string) (string, error) { return get(c.http(node), path) }

// fetch decodes what a node answers.
func fetch[T any](c *cluster, node, path string) (v T, err error) {
	body, err := c.get(node, path)
	if err == nil {
		err = json.Unmarshal([]byte(body), &v)
	}
	return v, err
}

// within waits until look returns "". Otherwise what it returns is what is
// still missing, and fails the test when the time is over.
func within(t *testing.T, limit time.Duration, what string, look func() string) {
	t.Helper()
	began := time.Now()
	for {
		missing := look()
		if missing == "" {
			t.Logf("%s after %.1f s", what, time.Since(began).Seconds())
			return
		}
		if time.Since(began) > limit {
			t.Fatalf("not within %v: %s; at last: %s", limit, what, missing)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// light is the service as a coordinator shows it.
func (c *cluster) light(coord string) (api.Service, error) {
	st, err := fetch[api.Status](c, coord, "/api/v1/status")
	if err == nil && len(st.Services) != 1 {
		err = fmt.Errorf("%s shows %d services", coord, len(st.Services))
	}
	if err != nil {
		return api.Service{}, err
	}
	return st.Services[0], nil
}

// opinions writes the votes as a coordinator shows them: "up up down up -".
func opinions(s api.Service) string {
	var words []string
	for _, r := range s.Regions {
		if r.Fresh {
			words = append(words, r.Vote.Opinion.String())
		} else {
			words = append(words, "-")
		}
	}
	return strings.Join(words, " ")
}

func allUp(s api.Service) bool {
	return s.State == api.Up && !slices.ContainsFunc(s.Regions, func(r api.Region) bool { return !r.Fresh || r.Vote.Opinion != vote.Up })
}

// incident looks for the newest incident of a kind that began after since, as a
// coordinator knows it.
func (c *cluster) incident(coord, kind string, since time.Time) (api.Incident, error) {
	all, err := fetch[[]api.Incident](c, coord, "/api/v1/incidents")
	if err != nil {
		return api.Incident{}, err
	}
	var newest api.Incident
	for _, in := range all {
		if in.Subject == kind+"/"+service && in.Opened.After(since) && in.Epoch >= newest.Epoch {
			newest = in
		}
	}
	return newest, nil
}

// calls are those that the stand-in received, from the mark on.
func (c *cluster) calls(t *testing.T, mark int) []pagerdutytest.Call {
	t.Helper()
	all, err := fetch[[]pagerdutytest.Call](c, "standin", "/calls")
	if err != nil {
		t.Fatal(err)
	}
	return all[mark:]
}

// fault makes the stand-in answer a status; 0 heals it.
func (c *cluster) fault(t *testing.T, status int) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, "http://"+c.http("standin")+"/fault", strings.NewReader(fmt.Sprintf(`{"status": %d}`, status)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := asker.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Fatalf("the stand-in answers %s to a fault", resp.Status)
	}
}

// metric sums the series of a family on a node whose labels hold each of these.
func (c *cluster) metric(node, family string, labels ...string) (float64, error) {
	return metric(c.http(node), family, labels...)
}

// total sums a metric over all agents.
func (c *cluster) total(t *testing.T, family string, labels ...string) float64 {
	t.Helper()
	sum := 0.0
	for _, name := range c.agents {
		v, err := c.metric(name, family, labels...)
		if err != nil {
			t.Fatal(err)
		}
		sum += v
	}
	return sum
}

// outcomes counts, over all agents, the canaries that came to an outcome.
func (c *cluster) outcomes(t *testing.T, outcome string) float64 {
	t.Helper()
	return c.total(t, "mailquorum_canary_outcomes_total", fmt.Sprintf("outcome=%q", outcome))
}
