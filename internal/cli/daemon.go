package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"mailquorum/internal/config"
)

// Daemon is what a daemon gets from the command that runs it.
type Daemon struct {
	Log *slog.Logger
	// Ready is to be called once the daemon listens. From then on the service
	// manager's watchdog is fed while alive returns true; nil: always.
	Ready func(alive func() bool)
}

// common is what both daemons' configurations have.
type common struct {
	log      config.Log
	warnings config.Problems
}

// errReload ends a daemon's context when another configuration takes over.
var errReload = errors.New("reloading")

// newDaemon makes the command of a daemon whose configuration is a C.
func newDaemon[C any](name, short string, load func(string, config.Options) (*C, error), of func(*C) common,
	run func(context.Context, *C, Daemon) error) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   name + " --config FILE",
		Short: short,
		Long: short + `.

Runs until SIGINT or SIGTERM. SIGHUP reads the configuration, the roster and the
secrets anew: if anything is wrong with them it is logged with line and column
and all stays as it is; otherwise the daemon starts anew with them. Under systemd
it says when it is ready, and feeds the watchdog. Logs go to standard error. Exit
code 78 says that the configuration was wrong when it started.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := load(file, config.Options{})
			if err != nil {
				return exitError{exitConfig, err} // trying again does not mend it: the units do not restart
			}
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			s := &service[C]{load: func() (*C, error) { return load(file, config.Options{}) }, of: of, run: run, hup: hup,
				logger: func(l config.Log) *slog.Logger { return newLogger(l, cmd.ErrOrStderr()) }, notify: notifySystemd}
			return s.serve(cmd.Context(), c)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "/etc/mailquorum/"+name+".yaml", "configuration `FILE`")
	return cmd
}

// service runs a daemon, over reloads.
type service[C any] struct {
	load   func() (*C, error)
	of     func(*C) common
	run    func(context.Context, *C, Daemon) error
	hup    <-chan os.Signal
	logger func(config.Log) *slog.Logger
	notify func(state string) // to the service manager
}

// serve runs the daemon with c, and again with each good configuration that a
// reload brings. It returns when ctx ends, or the daemon by itself.
func (s *service[C]) serve(ctx context.Context, c *C) error {
	for {
		log := s.logger(s.of(c).log)
		logWarnings(log, s.of(c).warnings)
		running, end := context.WithCancelCause(ctx)
		next := make(chan *C, 1)
		watching := make(chan struct{})
		go func() {
			defer close(watching)
			if c := s.await(running, log); c != nil {
				next <- c
				s.notify(reloading())
				end(errReload)
			}
		}()
		err := s.run(running, c, Daemon{Log: log, Ready: func(alive func() bool) {
			s.notify("READY=1")
			go feedWatchdog(running, s.notify, alive)
		}})
		reload := context.Cause(running) == errReload
		end(nil)
		<-watching
		if !reload || ctx.Err() != nil {
			s.notify("STOPPING=1")
			if errors.Is(err, context.Canceled) && ctx.Err() != nil {
				return nil
			}
			return err
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("stopping for a reload: %w", err)
		}
		c = <-next
	}
}

// await waits for a reload with a good configuration, and returns it; nil when
// ctx ended first.
func (s *service[C]) await(ctx context.Context, log *slog.Logger) *C {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.hup:
		}
		c, err := s.load()
		if err == nil {
			log.Info("reloading the configuration")
			return c
		}
		logRefused(log, err)
	}
}

// makeState makes the directory of a daemon's journal where it is not there yet:
// without a service manager nobody else does.
func makeState(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the state directory: %w", err)
	}
	return nil
}
