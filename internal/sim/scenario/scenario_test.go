//go:build !race

// Nothing here is concurrent, and the race detector makes it thirty times dearer.

package scenario

import (
	"testing"
)

// TestStories tells every story that comes with the program.
func TestStories(t *testing.T) {
	stories, err := Stories()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stories {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			r := s.Run()
			if err := r.Err(); err != nil {
				t.Errorf("%v\n%s", err, r)
			} else if testing.Verbose() {
				t.Logf("\n%s", r)
			}
		})
	}
}
