// Package store is what a coordinator must not forget: the incident machines'
// snapshots, the incidents with their time lines, the outbox of pages, and the
// claims by which coordinators tell each other who pages. All of it is held in
// memory and written through to a journal; when the disk is full or gone the
// coordinator goes on from memory, says so, and catches up when it can.
package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"mailquorum/internal/api"
	"mailquorum/internal/journal"
)

// Machine is the saved state of one subject's incident machine. The store does
// not look into it.
type Machine struct {
	Subject  string
	Snapshot []byte // JSON of the machine
	Record   []byte // its gossip record
}

// Change is what one decision changes. It is kept as a whole or not at all.
type Change struct {
	Machine  *Machine      // replaces the subject's
	Incident *api.Incident // replaces the incident of that ID; see Commit for the fields that it does not replace
	Events   []api.Event   // appended to the time line of Incident
	Jobs     []Job         // new pages to send; one that exists already is left as it is
	Claims   []Claim       // joined with what is known
}

// patience is how long Commit waits for a disk that does not answer.
const patience = 5 * time.Second

// again is how often a journal that failed is tried.
const again = 10 * time.Second

// Store is safe for concurrent use. None of its methods calls back.
type Store struct {
	log  *slog.Logger
	path string // "": nothing is journalled

	mu          sync.Mutex
	journal     *journal.Journal // nil: not open (yet)
	machines    map[string]Machine
	incidents   map[string]*incident
	keys        map[string]string // key of a page: incident's ID
	jobs        map[JobID]Job
	claims      map[ClaimID]Claim
	dirty       map[any]struct{} // references to rows that are not on disk
	waiting     []chan error     // callers of Commit
	unjournaled error
	damaged     []string

	kick    chan struct{} // capacity 1: there is something to write
	stop    chan struct{}
	stopped chan struct{}
}

// Memory returns a store without a journal.
func Memory() *Store {
	return &Store{
		log: slog.New(slog.DiscardHandler), machines: map[string]Machine{}, incidents: map[string]*incident{},
		keys: map[string]string{}, jobs: map[JobID]Job{}, claims: map[ClaimID]Claim{},
	}
}

// Open opens the store at path and reads what it holds. A full or read-only
// disk is no error: the store then works from memory and goes on trying. A
// journal too damaged to be opened is moved aside, to path.damaged, and a new one begun. It
// fails with journal.ErrLocked when another process has the journal open, and
// with journal.ErrNewer when a later version wrote it.
func Open(path string, log *slog.Logger) (*Store, error) {
	s := Memory()
	s.log, s.path = log, path
	s.dirty = map[any]struct{}{}
	s.kick, s.stop, s.stopped = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	err := s.attach()
	if errors.Is(err, journal.ErrCorrupt) {
		s.damaged = append(s.damaged, err.Error())
		log.Error("the journal is damaged: moving it aside and beginning a new one", "error", err)
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Rename(path+suffix, path+".damaged"+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, fmt.Errorf("moving a damaged journal aside: %w", err)
			}
		}
		err = s.attach()
	}
	if err != nil && !errors.Is(err, journal.ErrUnwritable) {
		return nil, fmt.Errorf("opening store: %w", err)
	}
	s.mu.Lock()
	s.noteWritten(err)
	s.mu.Unlock()
	go s.run()
	return s, nil
}

// Boot counts this start; see journal.Journal.Boot. When the journal is not open
// the error is journal.ErrUnwritable, and the number good as Boot says there.
func (s *Store) Boot() (uint64, error) { return s.BootAbove(0) }

// BootAbove is Boot for a node that others know with a higher number than its own.
func (s *Store) BootAbove(known uint64) (uint64, error) {
	s.mu.Lock()
	j := s.journal
	s.mu.Unlock()
	if j == nil {
		return max(journal.Undurable(), known+1), journal.ErrUnwritable
	}
	return j.BootAbove(known)
}

// Commit applies a change and waits until it is on disk. The change holds in
// memory whatever is returned: an error (journal.ErrUnwritable) only says that
// it is not on disk yet. Commit waits 5 s for a disk that does not answer, and
// not at all while Unjournaled.
//
// Of Incident, these fields keep what the store knows: Timeline (Events are
// appended to it), and Paged, PagedBy and Resolved, which the store sets itself
// when it learns of an accepted page.
//
// A job to resolve supersedes a waiting trigger of the same key, and the other
// way round.
func (s *Store) Commit(c Change) error {
	s.mu.Lock()
	s.apply(c)
	if s.path == "" || len(s.dirty) == 0 {
		s.mu.Unlock()
		return nil
	}
	if err := s.unjournaled; err != nil {
		s.mu.Unlock()
		s.wake()
		return err
	}
	done := make(chan error, 1)
	s.waiting = append(s.waiting, done)
	s.mu.Unlock()
	s.wake()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		err := fmt.Errorf("%w: no answer for %v", journal.ErrUnwritable, patience)
		s.mu.Lock()
		s.noteWritten(err)
		s.mu.Unlock()
		return err
	}
}

// Note applies a change and returns at once; it is written soon.
func (s *Store) Note(c Change) {
	s.mu.Lock()
	s.apply(c)
	s.mu.Unlock()
	s.wake()
}

func (s *Store) apply(c Change) {
	if m := c.Machine; m != nil {
		if old, ok := s.machines[m.Subject]; !ok || !slices.Equal(old.Snapshot, m.Snapshot) || !slices.Equal(old.Record, m.Record) {
			s.machines[m.Subject] = Machine{m.Subject, slices.Clone(m.Snapshot), slices.Clone(m.Record)}
			s.mark(machineRef(m.Subject))
		}
	}
	if c.Incident != nil {
		s.putIncident(*c.Incident, c.Events)
	}
	for _, j := range c.Jobs {
		s.addJob(j)
	}
	for _, cl := range c.Claims {
		s.addClaim(cl)
	}
}

// Machines returns the saved machines, sorted by subject.
func (s *Store) Machines() []Machine {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Machine
	for _, m := range s.machines {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b Machine) int { return compare(a.Subject, b.Subject) })
	return out
}

// Unjournaled reports whether decisions are in memory only at the moment.
func (s *Store) Unjournaled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.path == "" || s.unjournaled != nil
}

// Damaged says what was found damaged on disk, and was left out, since Open.
func (s *Store) Damaged() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.damaged)
}

// Backup writes a copy of the journal to path; see journal.Journal.Backup.
func (s *Store) Backup(path string) error {
	s.mu.Lock()
	j := s.journal
	s.mu.Unlock()
	if j == nil {
		return journal.ErrUnwritable
	}
	return j.Backup(path)
}

func compact(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic("store: " + err.Error()) // plain data only
	}
	return b
}
