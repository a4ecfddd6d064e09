package report

import (
	"fmt"
	"testing"
)

func TestShelfKeepsTheNewestOfEachSlot(t *testing.T) {
	s := NewShelf()
	s.Put("a", []byte("1"))
	s.Put("b", []byte("2"))
	s.Put("a", []byte("3"))
	if got := fmt.Sprintf("%s", s.Raw()); got != "[3 2]" {
		t.Errorf("kept %s, want [3 2]", got)
	}
	for i := range 2 * shelfSize {
		s.Put(fmt.Sprint(i), []byte{byte(i)})
	}
	if n := len(s.Raw()); n != shelfSize {
		t.Errorf("kept %d messages, want %d", n, shelfSize)
	}
	if _, ok := s.slots[fmt.Sprint(2*shelfSize-1)]; !ok {
		t.Error("the newest slot gave way")
	}
}

func TestShelfTellsNewFromRepeated(t *testing.T) {
	s := NewShelf()
	if !s.Fresh([]byte("x")) || s.Fresh([]byte("x")) || !s.Fresh([]byte("y")) {
		t.Error("first sight not told from second")
	}
}
