package mesh

import (
	"math/rand/v2"
	"sync"
)

// inbox holds what waits for Receive: a bounded queue for each peer, and one for
// push/pull. They are emptied in turn, so a peer that floods delays only itself.
type inbox struct {
	mu    sync.Mutex
	lanes []lane
	next  int
	wake  chan struct{}
}

type lane struct {
	queue []letter
	bytes int
}

// letter is a message on its way to Receive.
type letter struct {
	id   id
	msg  []byte
	from int // lane
}

func newInbox(lanes int) *inbox {
	return &inbox{lanes: make([]lane, lanes), wake: make(chan struct{}, 1)}
}

// put queues a letter, which it keeps; it returns false when the lane is full.
func (b *inbox) put(c letter) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := &b.lanes[c.from]
	size, frames := maxQueueBytes, maxQueueFrames
	if c.from == len(b.lanes)-1 { // a whole state comes at once
		size, frames = maxState, maxState/64
	}
	if l.bytes+len(c.msg) > size || len(l.queue) >= frames {
		return false
	}
	l.queue, l.bytes = append(l.queue, c), l.bytes+len(c.msg)
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return true
}

// take returns the next letter.
func (b *inbox) take() (letter, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.lanes {
		b.next = (b.next + 1) % len(b.lanes)
		if l := &b.lanes[b.next]; len(l.queue) > 0 {
			c := l.queue[0]
			l.queue[0] = letter{}
			l.queue, l.bytes = l.queue[1:], l.bytes-len(c.msg)
			return c, true
		}
	}
	return letter{}, false
}

// receive is the one goroutine that calls Receive, and relays what is new.
func (m *Mesh) receive() {
	for {
		select {
		case <-m.inbox.wake:
		case <-m.ctx.Done():
			return
		}
		for m.ctx.Err() == nil {
			c, ok := m.inbox.take()
			if !ok {
				break
			}
			if m.seen.has(c.id) {
				m.count.duplicates.Add(1)
				continue
			}
			m.count.received.Add(1)
			if m.cfg.Receive(c.msg) && m.seen.add(c.id) {
				m.relay(frame{kindMessage, c.msg}, c.from)
			}
		}
	}
}

// relays is to how many peers a new message is passed on: all, in a small mesh.
// In a larger one, its origin has told all of them, this many more per node
// reach those it could not, and the digest the rest.
const relays = 8

// relay passes a message on, except to whom it came from.
func (m *Mesh) relay(f frame, from int) {
	n := 0
	for _, i := range rand.Perm(len(m.peers)) {
		if i == from || n == relays {
			continue
		}
		if m.peers[i].link.send(f) {
			n++
			m.count.relayed.Add(1)
		}
	}
}
