package agent

import "time"

// outbid raises this node's boot number above the one that the others know it by,
// if that is higher: what it says would be dropped as stale for ever. Two processes
// with one key outbid each other, so that it is done once in a Timing.Fresh at most.
// It waits for the disk.
func (a *Agent) outbid(now time.Time) {
	a.mu.Lock()
	own := a.boot
	known, yes := a.board.Elsewhere(a.boot, a.seq)
	first := a.outbids.IsZero()
	yes = yes && (first || now.Sub(a.outbids) >= a.timing.Fresh)
	if yes {
		a.outbids = now
	}
	a.mu.Unlock()
	if !yes {
		return
	}
	if first {
		a.log.Error("another process speaks with this node's key, or this node's journal was replaced: the boot number is raised so that this one is heard",
			"peers_know_boot", known, "this_boot", own, "hint", "stop the other process; each node needs a key and a state directory of its own")
	}
	boot, err := a.cfg.Journal.BootAbove(known)
	if err != nil {
		a.metrics.journalError(err)
		a.log.Warn("the raised boot number is not journalled", "boot", boot, "err", err)
	}
	a.mu.Lock()
	a.boot, a.seq = boot, 0
	a.mu.Unlock()
}
