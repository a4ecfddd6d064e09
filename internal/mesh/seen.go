package mesh

import (
	"crypto/sha256"
	"sync"
)

// id identifies a message by its content.
type id [8]byte

func identify(msg []byte) id {
	sum := sha256.Sum256(msg)
	return id(sum[:8])
}

// seenKept is how many of the last messages are remembered, at least.
const seenKept = 4096

// seen remembers the last messages that were sent or found new, so that each is
// passed on at most once. It forgets by generation.
type seen struct {
	mu       sync.Mutex
	keep     int
	new, old map[id]struct{}
}

func newSeen(keep int) *seen {
	return &seen{keep: keep, new: map[id]struct{}{}, old: map[id]struct{}{}}
}

func (s *seen) has(k id) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known(k)
}

func (s *seen) known(k id) bool {
	_, a := s.new[k]
	_, b := s.old[k]
	return a || b
}

// add reports whether k was not there before.
func (s *seen) add(k id) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known(k) {
		return false
	}
	if len(s.new) >= s.keep {
		s.old, s.new = s.new, make(map[id]struct{}, s.keep)
	}
	s.new[k] = struct{}{}
	return true
}
