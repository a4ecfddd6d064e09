//go:build integration

package integration

import (
	"net/http"
	"time"

	"mailquorum/coordinator/page"
	"mailquorum/internal/api"
)

// The coordinator whose turn it is dies between deciding and paging: one page
// all the same, and no second one when it comes back.
func coordinatorKilled(s *scene) {
	s.fault(s.T, http.StatusServiceUnavailable)
	s.set(s, "smtp-down")
	in := s.everywhere("the outage is open on all coordinators", nothing)
	first := ""
	for _, coord := range s.coords {
		if page.Rank(in.Key, coord, s.coords) == 0 {
			first = coord
		}
	}
	within(s.T, patience, first+" has tried to page", func() string {
		n, err := s.metric(first, "mailquorum_pages_total", `action="trigger"`, `result="failed"`)
		if n == 0 || err != nil {
			return "it has not"
		}
		return ""
	})
	s.nodes[first].kill()
	for _, call := range s.called("trigger") {
		if call.Accepted || call.Key != in.Key {
			s.Errorf("accepted too early: %+v", call)
		}
	}
	mark := len(s.calls(s.T, 0))
	s.fault(s.T, 0)
	accepted := func() (n int) {
		for _, call := range s.calls(s.T, mark) {
			if call.Action == "trigger" {
				n++
				if !call.Accepted || call.Key != in.Key {
					s.Errorf("a wrong trigger: %+v", call)
				}
			}
		}
		return n
	}
	within(s.T, patience, "the page, by another", func() string {
		if accepted() == 0 {
			return "no trigger is accepted"
		}
		return ""
	})
	time.Sleep(4 * time.Second) // more than a turn of each
	if n := accepted(); n != 1 {
		s.Errorf("%d triggers accepted while %s is dead, want one", n, first)
	}
	if err := s.nodes[first].start(); err != nil {
		s.Fatal(err)
	}
	s.everywhere("it knows of the page", func(in api.Incident) string {
		if in.Paged.IsZero() || in.PagedBy == first {
			return "paged by " + in.PagedBy
		}
		return ""
	})
	time.Sleep(6 * time.Second) // it settles, and has had its turn
	if n := accepted(); n != 1 {
		s.Errorf("%d triggers accepted after %s came back, want one", n, first)
	}
	s.set(s, "smtp-up")
	s.calls0 = mark
	s.over(in)
}

func nothing(api.Incident) string { return "" }
