package page

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRanksAreAPermutationAndSpread(t *testing.T) {
	names := []string{"c1", "c2", "c3"}
	firsts := map[string]int{}
	for e := range 300 {
		key := fmt.Sprintf("mailquorum/test/outage/mx/%d", e)
		seen := map[int]bool{}
		for _, n := range names {
			r := Rank(key, n, names)
			seen[r] = true
			if r == 0 {
				firsts[n]++
			}
		}
		if !seen[0] || !seen[1] || !seen[2] {
			t.Fatalf("%s: ranks %v", key, seen)
		}
	}
	for n, times := range firsts {
		if times < 60 {
			t.Errorf("%s is first %d times of 300", n, times)
		}
	}
	if r := Rank("key", "stranger", names); r != -1 {
		t.Errorf("rank of a stranger: %d", r)
	}
}

// Turns of different coordinators never touch, and everyone's comes within a
// cycle.
func TestTurnsDoNotOverlap(t *testing.T) {
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		of := rapid.IntRange(1, 7).Draw(t, "of")
		turn := time.Duration(rapid.IntRange(20, 60_000).Draw(t, "turn")) * time.Millisecond
		at := base.Add(time.Duration(rapid.IntRange(-1000, 10_000_000).Draw(t, "at")) * time.Millisecond)
		mine := 0
		for rank := range of {
			next := nextTurn(base, at, rank, of, turn)
			if next.Before(at) || next.Before(base) || next.Sub(later(at, base)) > turn*time.Duration(of) {
				t.Fatalf("rank %d: at %v comes %v", rank, at.Sub(base), next.Sub(base))
			}
			if again := nextTurn(base, next, rank, of, turn); !again.Equal(next) {
				t.Fatalf("rank %d: %v is no turn of its own", rank, next.Sub(base))
			}
			if next.Equal(at) {
				mine++
			}
		}
		if mine > 1 {
			t.Fatalf("%d coordinators may send at once", mine)
		}
	})
}
