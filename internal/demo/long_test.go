//go:build !race

package demo

import (
	"testing"
	"time"

	"mailquorum/coordinator/incident"
	"mailquorum/internal/api"
	"mailquorum/probes/mailtest"
)

// These tales are long, and the race detector makes virtual time six times
// dearer. The tales of line_test.go walk the same code under it.

func TestLongSilenceIsLostUntilItArrivesLate(t *testing.T) {
	inBubble(t, func(b *bubble) {
		lost := uint32(0)
		in := b.outageAndBack(3*time.Minute, func() { b.Provider.Set(mailtest.Hold) }, func() {
			time.Sleep(5 * time.Minute) // beyond the deadline
			lost = b.service("coord-1").Count.Lost
			b.Provider.Release()
		})
		if lost == 0 {
			b.Error("nothing was called lost after seven minutes without delivery")
		}
		if in.Count.Lost != 0 || in.Count.Late == 0 {
			b.Errorf("the account after the release: %+v; want late mail and none lost", in.Count)
		}
	})
}

func TestUnreadableMailboxesAreAnOutageWithoutLoss(t *testing.T) {
	inBubble(t, func(b *bubble) {
		in := b.outageAndBack(3*time.Minute, func() { b.Provider.IMAPDown(true) }, func() { b.Provider.IMAPDown(false) })
		if in.Count.Lost != 0 {
			b.Errorf("%d canaries called lost while nobody could look", in.Count.Lost)
		}
	})
}

func TestDroppedMailIsLostAndSaidSo(t *testing.T) {
	inBubble(t, func(b *bubble) {
		in := b.outageAndBack(3*time.Minute, func() { b.Provider.Set(mailtest.Drop) }, func() { b.Provider.Set(mailtest.Normal) })
		if in.Count.Lost == 0 {
			b.Errorf("the account of thrown-away mail: %+v", in.Count)
		}
	})
}

func TestDuplicatesAndJunkWakeNobody(t *testing.T) {
	inBubble(t, func(b *bubble) {
		b.Provider.Set(mailtest.Dup)
		time.Sleep(5 * time.Minute)
		b.Provider.Set(mailtest.Junk)
		time.Sleep(8 * time.Minute)
		b.quiet()
	})
}

// Policy and throttling say nothing about the service: a ticket, and no page
// however long they last.
func TestPolicyAndThrottlingWakeNobody(t *testing.T) {
	inBubble(t, func(b *bubble) {
		b.Provider.Set(mailtest.Reject) // 550 5.7.1
		b.within(15*time.Minute, "account ticket", func() bool { return len(b.of(incident.NoticeOpened, incident.Account)) > 0 })
		b.Provider.Set(mailtest.Defer) // 451 4.7.1
		time.Sleep(5 * time.Minute)
		b.quiet()
		b.Provider.Set(mailtest.Normal)
		b.within(10*time.Minute, "up again", b.state(api.Up))
		b.quiet()
	})
}
