package store

import (
	"database/sql"
	"encoding/json"
	"time"

	"mailquorum/internal/api"
	"mailquorum/internal/journal"
)

// run writes what is dirty whenever it is woken, and tries a failed journal again.
func (s *Store) run() {
	defer close(s.stopped)
	for {
		timer := time.NewTimer(again)
		select {
		case <-s.kick:
		case <-timer.C:
			if !s.Unjournaled() {
				continue
			}
		case <-s.stop:
			timer.Stop()
			s.flush()
			return
		}
		timer.Stop()
		s.flush()
	}
}

func (s *Store) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

func (s *Store) mark(ref any) {
	if s.path != "" {
		s.dirty[ref] = struct{}{}
	}
}

// flush writes every dirty row in one transaction. On failure the rows stay dirty.
func (s *Store) flush() {
	var err error
	if s.open() == nil {
		err = s.attach()
	}
	s.mu.Lock()
	dirty, waiting := s.dirty, s.waiting
	s.dirty, s.waiting = map[any]struct{}{}, nil
	var statements []statement
	for ref := range dirty {
		statements = append(statements, s.statement(ref))
	}
	j := s.journal
	s.mu.Unlock()

	if err == nil && len(statements) > 0 {
		err = j.Write(func(tx *sql.Tx) error {
			for _, st := range statements {
				if err := st.exec(tx); err != nil {
					return err
				}
			}
			return nil
		})
	} else if err == nil && s.Unjournaled() {
		err = j.Write(func(tx *sql.Tx) error { return nil })
	}

	s.mu.Lock()
	if err != nil {
		for ref := range dirty {
			s.dirty[ref] = struct{}{}
		}
	}
	s.noteWritten(err)
	if err == nil {
		s.evict()
	}
	s.mu.Unlock()
	for _, w := range waiting {
		w <- err
	}
}

func (s *Store) open() *journal.Journal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.journal
}

// noteWritten keeps and tells whether the journal works.
func (s *Store) noteWritten(err error) {
	switch {
	case err != nil && s.unjournaled == nil:
		s.log.Error("the journal cannot be written: going on from memory", "error", err)
	case err == nil && s.unjournaled != nil:
		s.log.Info("the journal is written again")
	}
	s.unjournaled = err
}

// attach opens the journal and joins what it holds to what is in memory, which
// is nothing at the start and the newer of the two later on.
func (s *Store) attach() error {
	j, err := journal.Open(s.path, schema)
	if err != nil {
		return err
	}
	var read snapshot
	if err := read.read(j.DB()); err != nil {
		_ = j.Close()
		return journal.Classify(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal = j
	adopt(s.machines, read.machine)
	adopt(s.jobs, read.jobs)
	for id, c := range read.claims {
		if old, ok := s.claims[id]; !ok || c.newer(old) {
			s.claims[id] = c
		}
	}
	for id, inc := range read.incident {
		if mem := s.incidents[id]; mem != nil {
			written := inc.Timeline
			inc.Incident = mem.Incident
			inc.Timeline = written
			s.appendEvents(inc, mem.Timeline)
			s.mark(incidentRef(id))
		}
		s.incidents[id] = inc
		s.keys[inc.Key] = id
	}
	for _, d := range read.damaged {
		s.log.Error("a row of the journal is damaged and was left out", "row", d)
	}
	s.damaged = append(s.damaged, read.damaged...)
	return nil
}

// adopt adds what is missing.
func adopt[K comparable, V any](to, from map[K]V) {
	for k, v := range from {
		if _, ok := to[k]; !ok {
			to[k] = v
		}
	}
}

// Close writes what is left and closes the journal.
func (s *Store) Close() error {
	if s.path == "" {
		return nil
	}
	close(s.stop)
	<-s.stopped
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.journal == nil {
		return s.unjournaled
	}
	if err := s.journal.Close(); err != nil {
		return err
	}
	return s.unjournaled
}

func decodeEvent(body string) (api.Event, error) {
	var e api.Event
	return e, json.Unmarshal([]byte(body), &e)
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
