package store

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

// Action is what a page asks of its destination.
type Action string

// The actions.
const (
	Trigger Action = "trigger"
	Resolve Action = "resolve"
)

// JobState is how far a job has come.
type JobState string

// The states of a job. All but Waiting are final.
const (
	Waiting    JobState = "waiting"
	Done       JobState = "done"       // accepted by a destination, whoever sent it
	Dropped    JobState = "dropped"    // not needed any more
	Superseded JobState = "superseded" // the opposite was decided
)

// JobID names a job.
type JobID struct {
	Key    string // dedup key of the page
	Action Action
	Round  int // 0; repetitions of a resolve count from 1
}

// Job is a row of the outbox: a page that was decided.
type Job struct {
	JobID
	Event    json.RawMessage // what to send; the store does not look into it
	Created  time.Time       // when it was decided
	Delay    time.Duration   // it is not sent before Created + Delay
	State    JobState
	Why      string    // of a final state, for people
	Attempts int       // made by this coordinator, over restarts
	Next     time.Time // when it is tried next; zero: as soon as its turn comes
}

// Jobs returns the jobs, oldest first: those waiting, or all.
func (s *Store) Jobs(all bool) []Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Job
	for _, j := range s.jobs {
		if all || j.State == Waiting {
			out = append(out, j)
		}
	}
	slices.SortFunc(out, func(a, b Job) int {
		return cmp.Or(a.Created.Compare(b.Created), compare(a.Key, b.Key), compare(a.Action, b.Action), cmp.Compare(a.Round, b.Round))
	})
	return out
}

// Job returns the job of that name.
func (s *Store) Job(id JobID) (Job, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, ok := s.jobs[id]
	return j, ok
}

// UpdateJob changes a job, if it exists, and writes it soon: Commit what must be
// on disk first. change runs under the store's lock.
func (s *Store) UpdateJob(id JobID, change func(*Job)) {
	s.mu.Lock()
	if j, ok := s.jobs[id]; ok {
		change(&j)
		j.JobID = id
		s.jobs[id] = j
		s.mark(id)
	}
	s.mu.Unlock()
	s.wake()
}

func (s *Store) addJob(j Job) {
	if _, ok := s.jobs[j.JobID]; ok {
		return // decided before, perhaps before a restart
	}
	for id, o := range s.jobs {
		if id.Key == j.Key && id.Action != j.Action && o.State == Waiting {
			o.State, o.Why = Superseded, "a "+string(j.Action)+" was decided"
			s.jobs[id] = o
			s.mark(id)
		}
	}
	j.State = Waiting
	s.jobs[j.JobID] = j
	s.mark(j.JobID)
}

// Prune forgets final jobs created before the given time, and claims last heard
// of before it, except those of keys that still have jobs, or whose incident is
// open or was closed since: a resolve months later must know who was paged.
func (s *Store) Prune(before time.Time) {
	s.mu.Lock()
	keep := map[string]bool{}
	for key, id := range s.keys {
		if inc := s.incidents[id]; inc != nil && (inc.Closed.IsZero() || !inc.Closed.Before(before)) {
			keep[key] = true
		}
	}
	for id, j := range s.jobs {
		if j.State != Waiting && j.Created.Before(before) && !keep[id.Key] {
			delete(s.jobs, id)
			s.mark(id)
		} else {
			keep[id.Key] = true
		}
	}
	for id, c := range s.claims {
		if !keep[id.Key] && c.Seen.Before(before) {
			delete(s.claims, id)
			s.mark(id)
		}
	}
	s.mu.Unlock()
	s.wake()
}

func compare[T cmp.Ordered](a, b T) int { return cmp.Compare(a, b) }
