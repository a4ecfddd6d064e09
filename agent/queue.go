package agent

import (
	"container/heap"
	"time"
)

// queue holds flights in the order of a time: the earliest is found at once, and
// any of them put in or taken out in logarithmic time. Each flight knows its place
// in it.
type queue struct {
	of    func(*flight) *slot // the slot that belongs to this queue
	items []*flight
}

// slot is a flight's place in a queue.
type slot struct {
	in *queue // nil: in none
	at int
	by time.Time
}

// put puts a flight in, or moves it.
func (q *queue) put(fl *flight, by time.Time) {
	s := q.of(fl)
	s.by = by
	if s.in == q {
		heap.Fix(q, s.at)
		return
	}
	s.in = q
	heap.Push(q, fl)
}

// take takes a flight out, if it is in.
func (q *queue) take(fl *flight) {
	if s := q.of(fl); s.in == q {
		heap.Remove(q, s.at)
		s.in = nil
	}
}

// first returns the earliest flight and its time; nil when there is none.
func (q *queue) first() (*flight, time.Time) {
	if len(q.items) == 0 {
		return nil, time.Time{}
	}
	return q.items[0], q.of(q.items[0]).by
}

// Len, Less, Swap, Push and Pop are container/heap's.
func (q *queue) Len() int           { return len(q.items) }
func (q *queue) Less(i, j int) bool { return q.of(q.items[i]).by.Before(q.of(q.items[j]).by) }

func (q *queue) Swap(i, j int) {
	q.items[i], q.items[j] = q.items[j], q.items[i]
	q.of(q.items[i]).at, q.of(q.items[j]).at = i, j
}

func (q *queue) Push(x any) {
	fl := x.(*flight)
	q.of(fl).at = len(q.items)
	q.items = append(q.items, fl)
}

func (q *queue) Pop() any {
	last := len(q.items) - 1
	fl := q.items[last]
	q.items[last] = nil
	q.items = q.items[:last]
	if cap(q.items) > 64 && len(q.items) < cap(q.items)/4 {
		q.items = append(make([]*flight, 0, cap(q.items)/2), q.items...) // give back what a long outage took
	}
	return fl
}
