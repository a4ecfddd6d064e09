package report

import "crypto/sha256"

// shelfSize bounds the messages kept for latecomers, beside reports.
const shelfSize = 512

// Shelf keeps the newest messages that are not reports (incidents, receipts), so
// that push/pull can hand them to whoever was away, and tells new ones from
// repeated ones. What they say is a join, so an old one does no harm. It is not
// safe for concurrent use.
type Shelf struct {
	known map[[32]byte]struct{}
	order [][32]byte
	slots map[string]int // slot name -> place in raw
	raw   [][]byte
	names []string
	next  int
}

// NewShelf returns an empty shelf.
func NewShelf() *Shelf {
	return &Shelf{known: map[[32]byte]struct{}{}, slots: map[string]int{}}
}

// Fresh reports whether raw is seen for the first time (among the last few
// thousand messages), and remembers it.
func (s *Shelf) Fresh(raw []byte) bool {
	sum := sha256.Sum256(raw)
	if _, ok := s.known[sum]; ok {
		return false
	}
	s.known[sum] = struct{}{}
	s.order = append(s.order, sum)
	if len(s.order) > 8*shelfSize {
		delete(s.known, s.order[0])
		s.order = s.order[1:]
	}
	return true
}

// Put keeps raw in a slot, in place of what was there; the oldest slot gives
// way when the shelf is full.
func (s *Shelf) Put(slot string, raw []byte) {
	if i, ok := s.slots[slot]; ok {
		s.raw[i] = raw
		return
	}
	if len(s.raw) < shelfSize {
		s.slots[slot] = len(s.raw)
		s.raw, s.names = append(s.raw, raw), append(s.names, slot)
		return
	}
	i := s.next
	s.next = (s.next + 1) % shelfSize
	delete(s.slots, s.names[i])
	s.slots[slot] = i
	s.raw[i], s.names[i] = raw, slot
}

// Raw returns all kept messages.
func (s *Shelf) Raw() [][]byte { return append([][]byte(nil), s.raw...) }
