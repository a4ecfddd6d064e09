package coordinator

import "time"

// outbid raises this node's boot number above the one that the others know it by,
// if that is higher: what it says would be dropped as stale for ever. Two processes
// with one key outbid each other, so that it is done once in a Timing.Fresh at most.
// It waits for the disk.
func (c *Coordinator) outbid(now time.Time) {
	c.mu.Lock()
	own := c.boot
	known, yes := c.board.Elsewhere(c.boot, c.seq)
	first := c.outbids.IsZero()
	yes = yes && (first || now.Sub(c.outbids) >= c.timing.Fresh)
	if yes {
		c.outbids = now
	}
	c.mu.Unlock()
	if !yes {
		return
	}
	if first {
		c.log.Error("another process speaks with this node's key, or this node's journal was replaced: the boot number is raised so that this one is heard",
			"peers_know_boot", known, "this_boot", own, "hint", "stop the other process; each node needs a key and a state directory of its own")
	}
	boot, err := c.cfg.Store.BootAbove(known)
	if err != nil {
		c.log.Warn("the raised boot number is not journalled", "boot", boot, "err", err)
	}
	c.mu.Lock()
	c.boot, c.seq = boot, 0
	c.mu.Unlock()
}
