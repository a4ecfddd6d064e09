package cli

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mailquorum/internal/config"
)

// diary is what happened to a daemon, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) write(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

// setting is the configuration of the daemon in these tests.
type setting struct{ name string }

// newService returns a service whose loads give the next of results: a name, or
// an error when it begins with "!".
func newService(d *diary, hup chan os.Signal, log *bytes.Buffer, results ...string) *service[setting] {
	return &service[setting]{
		hup: hup,
		load: func() (*setting, error) {
			next := results[0]
			results = results[1:]
			if bad, ok := strings.CutPrefix(next, "!"); ok {
				return nil, config.Problems{{File: "agent.yaml", Line: 3, Column: 5, Text: bad}}
			}
			return &setting{next}, nil
		},
		of:     func(*setting) common { return common{} },
		logger: func(config.Log) *slog.Logger { return slog.New(slog.NewTextHandler(log, nil)) },
		notify: func(state string) { first, _, _ := strings.Cut(state, "\n"); d.write(first) },
		run: func(ctx context.Context, s *setting, x Daemon) error {
			d.write("start " + s.name)
			x.Ready(nil)
			<-ctx.Done()
			d.write("stop " + s.name)
			return ctx.Err()
		},
	}
}

// TestReload: a bad file is refused and the old one stays; a good one takes over;
// the end of the context ends it all.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var log bytes.Buffer
		hup := make(chan os.Signal, 1)
		s := newService(&d, hup, &log, "!wrong", "second")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.serve(ctx, &setting{"first"}) }()
		synctest.Wait()
		hup <- syscall.SIGHUP
		synctest.Wait()
		d.write("refused")
		hup <- syscall.SIGHUP
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("ended with %v", err)
		}
		want := []string{"start first", "READY=1", "refused", "RELOADING=1", "stop first", "start second", "READY=1", "stop second", "STOPPING=1"}
		if diff := cmp.Diff(want, d.lines); diff != "" {
			t.Errorf("happened otherwise (-want +got):\n%s", diff)
		}
		if !strings.Contains(log.String(), "the new configuration is refused, the old one stays: wrong") || !strings.Contains(log.String(), "line=3 column=5") {
			t.Errorf("the log does not say why:\n%s", log.String())
		}
	})
}

// TestDaemonFails: a daemon that ends by itself ends the command with its error.
func TestDaemonFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var log bytes.Buffer
		s := newService(&d, make(chan os.Signal), &log)
		broken := errors.New("the port is taken")
		s.run = func(context.Context, *setting, Daemon) error { return broken }
		if err := s.serve(t.Context(), &setting{"only"}); !errors.Is(err, broken) {
			t.Errorf("ended with %v", err)
		}
	})
}

// TestStopDuringReload: a stop that comes while a reload stops the old daemon is
// a stop.
func TestStopDuringReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var log bytes.Buffer
		hup := make(chan os.Signal, 1)
		s := newService(&d, hup, &log, "second")
		ctx, cancel := context.WithCancel(t.Context())
		run := s.run
		s.run = func(running context.Context, c *setting, x Daemon) error {
			err := run(running, c, x)
			cancel()
			return err
		}
		hup <- syscall.SIGHUP
		if err := s.serve(ctx, &setting{"first"}); err != nil {
			t.Errorf("ended with %v", err)
		}
		for _, line := range d.lines {
			if line == "start second" {
				t.Error("it started again")
			}
		}
	})
}

// TestWatchdog feeds the watchdog twice per interval, while the daemon is alive.
func TestWatchdog(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "30000000")
	synctest.Test(t, func(t *testing.T) {
		var d diary
		alive := true
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			feedWatchdog(ctx, d.write, func() bool { d.mu.Lock(); defer d.mu.Unlock(); return alive })
		}()
		sleep(t, 44)
		if got := len(d.lines); got != 3 {
			t.Errorf("fed %d times in 44 s, want at 0, 15 and 30 s", got)
		}
		d.mu.Lock()
		alive = false
		d.mu.Unlock()
		sleep(t, 60)
		if got := len(d.lines); got != 3 {
			t.Errorf("fed %d times though it was dead", got-3)
		}
		cancel()
		<-done
	})
}

// sleep lets seconds of the bubble's time pass.
func sleep(t *testing.T, seconds int) {
	t.Helper()
	time.Sleep(time.Duration(seconds) * time.Second)
	synctest.Wait()
}
