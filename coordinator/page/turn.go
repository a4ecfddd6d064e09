package page

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"time"
)

// Rank is the place of self among the configured coordinators in the order in
// which they try to send the page of that key: the order of
// sha256(key, coordinator). Every coordinator computes the same order, another
// one for another key, so that the work is spread. It is -1 when self is none.
func Rank(key, self string, coordinators []string) int {
	sum := func(name string) []byte {
		h := sha256.Sum256([]byte(key + "\x00" + name))
		return h[:]
	}
	mine, rank := sum(self), 0
	if !slices.Contains(coordinators, self) {
		return -1
	}
	for _, c := range coordinators {
		if bytes.Compare(sum(c), mine) < 0 {
			rank++
		}
	}
	return rank
}

// Time goes round in turns of one Timing.Rank each: from base on, the coordinator
// of rank 0 has the first turn, rank 1 the second, and after the last one rank 0
// again. An attempt begins in the first three quarters of a turn only, so that
// its claim has time to reach the next one.

// nextTurn is the first moment, not before t, at which rank may begin an attempt.
func nextTurn(base, t time.Time, rank, of int, turn time.Duration) time.Time {
	if t.Before(base) {
		t = base
	}
	cycle := turn * time.Duration(of)
	into := t.Sub(base) % cycle
	mine := turn * time.Duration(rank)
	switch {
	case into < mine:
		return t.Add(mine - into)
	case into < mine+turn*3/4:
		return t
	}
	return t.Add(cycle + mine - into)
}

// An intent keeps the others back for intentHolds; an attempt is given up
// before that, after attemptLasts. Both are less than two turns, so that a
// coordinator that dies between intent and receipt costs its page less than
// one turn more.
func intentHolds(turn time.Duration) time.Duration  { return turn * 7 / 4 }
func attemptLasts(turn time.Duration) time.Duration { return turn * 3 / 2 }
