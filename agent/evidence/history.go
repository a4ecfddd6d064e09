package evidence

import (
	"bytes"
	"slices"
	"time"

	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// class is what is known of a canary, as far as evidence is concerned.
type class uint8

const (
	pending  class = iota // in flight
	arrived               // delivered, in time or late
	failed                // full evidence
	lost                  // full evidence, and as slow as can be
	refused               // authentication failed
	rebuffed              // throttled or against a policy
	junked                // arrived, in the wrong place
	nothing               // says nothing
	classes
)

func classify(o probes.Outcome) class {
	switch o {
	case probes.InFlight, probes.Ambiguous:
		return pending
	case probes.Delivered, probes.Late:
		return arrived
	case probes.Failed, probes.Bounced:
		return failed
	case probes.Lost:
		return lost
	case probes.AuthFailed:
		return refused
	case probes.Throttled, probes.Policy:
		return rebuffed
	case probes.Junked:
		return junked
	}
	return nothing
}

// entry is one canary.
type entry struct {
	id       probes.ID
	at       time.Duration // sent, since the route's epoch
	known    time.Duration // when its class became known
	enhanced string
	code     int32
	class    class
	stage    probes.Stage
	reason   vote.Reason
	excused  bool    // failed or may fail by a local fault: no evidence, unless it arrives
	pace     float64 // log of its latency over the median
	slow     bool    // arrived later than the learned p95
	confirm  bool
}

// history holds the newest canaries in the order of their sending.
type history struct {
	mem   []entry // what buf lies in
	buf   []entry // the newest is last
	size  int
	gone  int // how many have left: the place of buf[0] among all
	count [classes]int
	first time.Duration // when the oldest pending canary was sent; meaningless when there is none
}

func newHistory(size int) history {
	mem := make([]entry, 4*size)
	return history{mem: mem, buf: mem[:0], size: size}
}

// find returns the place of a canary, or -1. Canaries asked for are mostly new.
func (h *history) find(id probes.ID) int {
	for i := len(h.buf) - 1; i >= 0; i-- {
		if h.buf[i].id == id {
			return i
		}
	}
	return -1
}

// add puts e in its place, and returns that. When the history is full, the oldest
// canary goes, and is returned; that may be e itself, whose place is then -1.
func (h *history) add(e entry) (at int, gone entry, full bool) {
	if full = len(h.buf) == h.size; full {
		if before(&e, &h.buf[0]) {
			return -1, e, true
		}
		gone = h.buf[0]
		h.buf = h.buf[1:]
		h.gone++
		h.count[gone.class]--
	}
	if len(h.buf) == cap(h.buf) {
		h.buf = h.mem[:copy(h.mem, h.buf)] // once in 3*size canaries
	}
	i := len(h.buf)
	for i > 0 && before(&e, &h.buf[i-1]) {
		i--
	}
	h.buf = slices.Insert(h.buf, i, e)
	h.count[e.class]++
	if full && gone.class == pending || e.class == pending {
		h.oldest()
	}
	return i, gone, full
}

// before is the order of sending; the order of two of the same instant is
// arbitrary, but does not depend on who became known first.
func before(a, b *entry) bool {
	return a.at < b.at || a.at == b.at && bytes.Compare(a.id[:], b.id[:]) < 0
}

// change gives a canary another class.
func (h *history) change(i int, c class) {
	was := h.buf[i].class
	h.count[was]--
	h.count[c]++
	h.buf[i].class = c
	if was == pending || c == pending {
		h.oldest()
	}
}

func (h *history) oldest() {
	for n, i := h.count[pending], len(h.buf)-1; n > 0 && i >= 0; i-- {
		if h.buf[i].class == pending {
			h.first = h.buf[i].at
			n--
		}
	}
}
