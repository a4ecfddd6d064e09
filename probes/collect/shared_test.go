package collect

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mailquorum/probes"
)

// Three agents share a mailbox with foreign mail in it, and lose their connections
// now and then: each sees all of its canaries, once, and none is deleted by
// another.
func TestAgentsShareAMailbox(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put("INBOX", foreign(1))
		var mu sync.Mutex
		keys := []probes.Key{probes.NewKey([]byte("a")), probes.NewKey([]byte("b")), probes.NewKey([]byte("c"))}
		seen := make([]map[probes.ID]int, len(keys))
		resets := 0
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		boxes := make([]*Mailbox, len(keys))
		for i, k := range keys {
			seen[i] = map[probes.ID]int{}
			boxes[i] = New(w.config(), Handler{
				Seen: func(s Sighting) bool {
					mu.Lock()
					defer mu.Unlock()
					for _, tag := range s.Tags {
						if id, ok := k.Verify(tag); ok {
							seen[i][id]++
							return true
						}
					}
					return false
				},
				Reset: func(why string) { mu.Lock(); defer mu.Unlock(); resets++; t.Log(time.Now(), i, why) },
			})
			running.Go(func() { boxes[i].Run(ctx) })
		}
		synctest.Wait()
		const rounds = 40
		for n := range rounds {
			for i, k := range keys {
				boxes[i].Expect(20 * time.Second)
				w.put([]string{"INBOX", "INBOX", "Junk"}[n%3], canary(k, byte(n)))
				w.after(time.Duration(n) * 10 * time.Millisecond)
			}
			if n%7 == 3 {
				w.p.CutIMAP()
			}
			w.after(15 * time.Second)
		}
		w.after(10 * time.Minute)
		stop()
		running.Wait()
		for i := range keys {
			if len(seen[i]) != rounds {
				t.Errorf("agent %d saw %d of %d canaries", i, len(seen[i]), rounds)
			}
			for id, times := range seen[i] {
				if times != 1 {
					t.Errorf("agent %d saw canary %d %d times", i, id[0], times)
				}
			}
		}
		if in, junk := w.count("INBOX"), w.count("Junk"); in != 1 || junk != 0 || resets != 0 {
			t.Errorf("%d and %d messages left, %d resets", in, junk, resets)
		}
	})
}
