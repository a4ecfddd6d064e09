package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"mailquorum/internal/roster"
)

// roster checks a roster: what makes it unfit, and what its numbers can promise.
func (d *document) roster(r *roster.Roster) {
	if !d.few(r) {
		return
	}
	type many interface{ Unwrap() []error }
	if all, ok := r.Validate().(many); ok {
		for _, err := range all.Unwrap() {
			var p roster.Problem
			if errors.As(err, &p) {
				d.bad(p.Path, "%s", p.Text)
			}
		}
	}
	for i, n := range r.Nodes {
		if n.Address != "" {
			d.address(fmt.Sprintf("nodes[%d].address", i), n.Address)
		}
	}
	d.timing(r.Timing.WithDefaults())
	if len(d.problems) > 0 {
		return
	}
	if len(r.Coordinators()) == 0 {
		d.warn("nodes", "there is no coordinator: nobody counts the votes")
	}
	for i, s := range r.Services {
		d.promise(fmt.Sprintf("services[%d]", i), s, r)
	}
	for i, g := range r.Regions {
		d.agents(fmt.Sprintf("regions[%d].name", i), g, r)
	}
	d.credentials(r)
}

// The largest rosters: every node echoes all others in each of its reports, and
// has a vote on every service in it.
const (
	maxRegions  = 50
	maxServices = 100
	maxNodes    = 200
)

// few checks that the roster is not too large to be worked with.
func (d *document) few(r *roster.Roster) bool {
	ok := true
	check := func(path string, n, most int) {
		if n > most {
			d.bad(path, "%d entries: at most %d", n, most)
			ok = false
		}
	}
	check("regions", len(r.Regions), maxRegions)
	check("services", len(r.Services), maxServices)
	check("nodes", len(r.Nodes), maxNodes)
	for i, s := range r.Services {
		check(fmt.Sprintf("services[%d].regions", i), len(s.Regions), maxRegions)
	}
	return ok
}

// timing checks constants that contradict each other.
func (d *document) timing(t roster.Timing) {
	if t.Fresh < 2*t.Report {
		d.bad("timing.fresh", "%s is less than two reports (timing.report is %s): one lost packet would silence a region", short(t.Fresh), short(t.Report))
	}
	if t.Alert > t.Report {
		d.bad("timing.alert", "%s is longer than timing.report, %s", short(t.Alert), short(t.Report))
	}
	if t.Deadline <= t.Drought {
		d.bad("timing.deadline", "%s is not longer than timing.drought, %s", short(t.Deadline), short(t.Drought))
	}
	if t.Linger < t.Fresh {
		d.bad("timing.linger", "%s is shorter than timing.fresh, %s", short(t.Linger), short(t.Fresh))
	}
}

// promise warns of what a service's number of voters cannot promise.
func (d *document) promise(at string, s roster.Service, r *roster.Roster) {
	voters := r.Voters(s.Name)
	n, q := len(voters), roster.Quorum(len(voters))
	where := at + ".regions"
	if len(s.Regions) == 0 {
		where = "regions"
	}
	const advice = "5 regions (quorum 3) are advised"
	switch {
	case n == 1:
		d.warn(where, "%s: one region decides alone. A fault of its own that its controls do not see opens an outage and pages; while it is down nothing is watched. For trying out: %s", s.Name, advice)
	case n == 2:
		d.warn(where, "%s: 2 regions, quorum 2: both must agree. One region's fault pages nobody, and while one is down or abstains no outage can be opened or closed. For trying out: %s", s.Name, advice)
	case n == 3:
		d.warn(where, "%s: 3 regions, quorum 2: one may be lost, and none may be wrong: one that lies and one honest error page. Where controls see nothing, 4.4 false pages a year were simulated: %s", s.Name, advice)
	case n%2 == 0:
		d.warn(where, "%s: %d regions, quorum %d: no more of them may be lost (%d) than of %d", s.Name, n, q, n-q, n-1)
	}
	domains, first := map[string]int{}, []string{}
	for _, g := range voters {
		domain := g.FailureDomain()
		if domains[domain] == 0 {
			first = append(first, domain)
		}
		domains[domain]++
	}
	if n < 2 {
		return
	}
	if len(domains) == 1 {
		d.warn(where, "%s: all %d regions are in one failure domain, %s: what breaks it looks like an outage from each of them", s.Name, n, first[0])
		return
	}
	for _, domain := range first {
		if k := domains[domain]; k > 1 && n-k < q {
			d.warn(where, "%s: %d of %d regions are in the failure domain %s: without it %d are left, and a quorum is %d", s.Name, k, n, domain, n-k, q)
		}
	}
}

// agents warns of a region whose vote cannot be heard.
func (d *document) agents(at string, g roster.Region, r *roster.Roster) {
	var votes []string
	for _, s := range r.Services {
		if slices.ContainsFunc(r.Voters(s.Name), func(v roster.Region) bool { return v.Name == g.Name }) {
			votes = append(votes, s.Name)
		}
	}
	switch agents := r.Agents(g.Name); {
	case len(votes) == 0:
		if len(agents) > 0 {
			d.warn(at, "region %s has a vote on no service", g.Name)
		}
	case len(agents) == 0:
		d.warn(at, "region %s has a vote on %s and no agent: it is always silent", g.Name, clip(strings.Join(votes, ", "), 80))
	case len(agents) == 2:
		d.warn(at, "region %s has 2 agents: it votes only when they agree; 1 or 3 are better", g.Name)
	}
}

// credentials warns when one expired password would fail everywhere at once.
func (d *document) credentials(r *roster.Roster) {
	domains, agents := map[string]bool{}, 0
	for _, n := range r.Nodes {
		if n.Role == roster.Agent {
			domains[n.Credentials] = true
			agents++
		}
	}
	if agents > 1 && len(domains) == 1 {
		d.warn("nodes", "all agents are in one credential domain: an expired password and an outage of the provider's login look alike from there. Give some agents accounts of their own, and say so in `credentials`")
	}
}
