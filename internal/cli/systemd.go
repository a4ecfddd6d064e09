package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// notifySystemd sends a state to the service manager (sd_notify(3)); without
// one it does nothing.
func notifySystemd(state string) {
	// An error means that nobody listens: the manager then acts by its time-outs.
	_, _ = daemon.SdNotify(false, state)
}

// reloading is the state that begins a reload, with the monotonic time that
// newer managers want.
func reloading() string {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return "RELOADING=1"
	}
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000)
}

// feedWatchdog tells the service manager twice per watchdog interval that the
// process is well, while alive says so, until ctx ends.
func feedWatchdog(ctx context.Context, notify func(string), alive func() bool) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return
	}
	tick := time.NewTicker(interval / 2)
	defer tick.Stop()
	for {
		if alive == nil || alive() {
			notify("WATCHDOG=1")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
