package store

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"time"

	"mailquorum/internal/api"
)

// incidentsKept is how many closed incidents stay in memory; older ones are read
// from the journal.
const incidentsKept = 1000

// incident is an incident and the chain over its time line: chain[i] covers
// every line up to Timeline[i].
type incident struct {
	api.Incident
	chain [][]byte
}

func (s *Store) putIncident(in api.Incident, events []api.Event) {
	inc := s.incidents[in.ID]
	fresh := inc == nil
	if fresh {
		inc = &incident{}
		s.incidents[in.ID] = inc
	}
	old := inc.Incident
	in.Timeline = old.Timeline
	if !old.Paged.IsZero() {
		in.Paged, in.PagedBy = old.Paged, old.PagedBy
	}
	if !old.Resolved.IsZero() {
		in.Resolved = old.Resolved
	}
	inc.Incident = in
	s.keys[in.Key] = in.ID
	s.mark(incidentRef(in.ID))
	s.appendEvents(inc, events)
	if fresh {
		for _, c := range s.claims {
			if c.Key == in.Key && c.State == Sent {
				s.notePage(inc, c)
			}
		}
		if s.path == "" {
			s.evict()
		}
	}
}

func (s *Store) appendEvents(inc *incident, events []api.Event) {
	for _, e := range events {
		var last []byte
		if n := len(inc.chain); n > 0 {
			last = inc.chain[n-1]
		}
		s.mark(eventRef{inc.ID, len(inc.Timeline)})
		inc.Timeline = append(inc.Timeline, e)
		inc.chain = append(inc.chain, link(last, inc.ID, compact(e)))
	}
}

// link is the next value of a time line's hash chain.
func link(last []byte, id string, event []byte) []byte {
	h := sha256.New()
	h.Write(last)
	h.Write([]byte(id))
	h.Write([]byte{0})
	h.Write(event)
	return h.Sum(nil)
}

// notePage enters an accepted page into its incident.
func (s *Store) notePage(inc *incident, c Claim) {
	if c.Round > 0 {
		return
	}
	e := api.Event{At: c.At, What: "paged", Text: "by " + c.Coordinator + " through " + c.Destination}
	if c.Action == Resolve {
		e.What = "resolved"
		inc.Resolved = first(inc.Resolved, c.At)
	} else if p := first(inc.Paged, c.At); !p.Equal(inc.Paged) {
		inc.Paged, inc.PagedBy = p, c.Coordinator
	}
	s.mark(incidentRef(inc.ID))
	s.appendEvents(inc, []api.Event{e})
}

// first is the earlier of two times, of which a zero one is none.
func first(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// evict drops the oldest closed incidents from memory once there are too many.
// The journal keeps them.
func (s *Store) evict() {
	if len(s.incidents) <= incidentsKept {
		return
	}
	var closed []*incident
	for _, inc := range s.incidents {
		if !inc.Closed.IsZero() && !s.unwritten(inc) {
			closed = append(closed, inc)
		}
	}
	slices.SortFunc(closed, func(a, b *incident) int { return a.Closed.Compare(b.Closed) })
	for _, inc := range closed[:min(len(closed), len(s.incidents)-incidentsKept)] {
		delete(s.incidents, inc.ID)
		delete(s.keys, inc.Key)
	}
}

func (s *Store) unwritten(inc *incident) bool {
	if _, ok := s.dirty[incidentRef(inc.ID)]; ok {
		return true
	}
	for n := range inc.Timeline {
		if _, ok := s.dirty[eventRef{inc.ID, n}]; ok {
			return true
		}
	}
	return false
}

// Incidents returns the open incidents, newest first, and then the newest closed
// ones, at most closed of them (and at most 1000).
func (s *Store) Incidents(closed int) []api.Incident {
	s.mu.Lock()
	defer s.mu.Unlock()
	var open, shut []api.Incident
	for _, inc := range s.incidents {
		if inc.Closed.IsZero() {
			open = append(open, inc.copy())
		} else {
			shut = append(shut, inc.copy())
		}
	}
	newest := func(a, b api.Incident) int {
		if c := b.Opened.Compare(a.Opened); c != 0 {
			return c
		}
		return compare(a.ID, b.ID)
	}
	slices.SortFunc(open, newest)
	slices.SortFunc(shut, newest)
	return append(open, shut[:min(closed, len(shut))]...)
}

// Incident returns the incident of that ID, be it in memory or in the journal.
func (s *Store) Incident(id string) (api.Incident, bool) {
	s.mu.Lock()
	inc, ok := s.incidents[id]
	j := s.journal
	var out api.Incident
	if ok {
		out = inc.copy()
	}
	s.mu.Unlock()
	if ok || j == nil {
		return out, ok
	}
	var read snapshot
	if err := read.incidents(j.DB(), `WHERE id = ?`, id); err != nil || read.incident[id] == nil {
		return out, false
	}
	return read.incident[id].Incident, true
}

func (inc *incident) copy() api.Incident {
	out := inc.Incident
	out.Timeline = slices.Clone(out.Timeline)
	return out
}

func decodeIncident(body []byte) (api.Incident, error) {
	var in api.Incident
	return in, json.Unmarshal(body, &in)
}
