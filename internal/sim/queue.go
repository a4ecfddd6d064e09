package sim

import "time"

// happening is what an event is about.
type happening uint8

const (
	evSend    happening = iota // a scheduled canary
	evConfirm                  // one that was asked for
	evResult                   // a canary is delivered or has failed
	evDead                     // its deadline
	evTick                     // a region looks at its evidence
	evControl                  // a round of controls that fails
	evAsked                    // a region hears another's request to probe
	evMessage                  // a node hears a message of the mesh
	evSpeak                    // a node sends a report
	evDecide                   // a coordinator decides
)

// event is one thing that will happen. who is a region or node, what a canary or message.
type event struct {
	at   time.Duration
	seq  uint32 // of equal times, the first made comes first
	what int32
	kind happening
	who  uint8
}

// queue is a binary heap of events.
type queue struct {
	heap []event
	seq  uint32
}

func sooner(a, b *event) bool {
	return a.at < b.at || a.at == b.at && int32(a.seq-b.seq) < 0
}

func (q *queue) push(e event) {
	q.seq++
	e.seq = q.seq
	q.heap = append(q.heap, e)
	h := q.heap
	i := len(h) - 1
	for i > 0 {
		p := (i - 1) / 2
		if !sooner(&e, &h[p]) {
			break
		}
		h[i] = h[p]
		i = p
	}
	h[i] = e
}

func (q *queue) pop() event {
	h := q.heap
	top := h[0]
	n := len(h) - 1
	e := h[n]
	h = h[:n]
	q.heap = h
	i := 0
	for {
		c := 2*i + 1
		if c >= n {
			break
		}
		if c+1 < n && sooner(&h[c+1], &h[c]) {
			c++
		}
		if !sooner(&h[c], &e) {
			break
		}
		h[i] = h[c]
		i = c
	}
	if n > 0 {
		h[i] = e
	}
	return top
}
