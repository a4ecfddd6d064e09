package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"mailquorum/agent"
	"mailquorum/agent/journal"
	"mailquorum/internal/config"
	"mailquorum/internal/telemetry"
)

// runAgent runs an agent until ctx ends, and returns once it is down.
func runAgent(ctx context.Context, c *config.Agent, d Daemon) (err error) {
	if err := makeState(c.State); err != nil {
		return err
	}
	j, err := journal.Open(filepath.Join(c.State, "agent.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	mesh, err := net.Listen("tcp", c.Mesh.Listen)
	if err != nil {
		return fmt.Errorf("listening for the mesh: %w", err)
	}
	defer mesh.Close()
	traces, err := telemetry.NewTracerProvider(ctx, c.Node, c.Self.Region, Version())
	if err != nil {
		return err
	}
	defer func() {
		flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := traces.Shutdown(flush); err != nil {
			d.Log.Warn("traces were not all sent", "err", err)
		}
	}()
	sources, err := tokens(c, nil, d.Log)
	if err != nil {
		return err
	}
	a, err := agent.New(agent.Config{Roster: c.Members, Node: c.Node, Key: c.Identity, Routes: routes(c, sources), Mailboxes: mailboxes(c, sources, d.Log),
		Controls: targets(c), Journal: j, Listener: mesh, Dial: dialer.DialContext, Metrics: telemetry.NewMetrics(Version()),
		Tracer: traces, Log: d.Log})
	if err != nil {
		return err
	}
	stop, err := serveHTTP(c.HTTP.Listen, a.Handler(), d.Log)
	if err != nil {
		return err
	}
	defer stop()
	d.Ready(a.Alive)
	return a.Run(ctx)
}

// serveHTTP serves on address until stop is called. Slow clients are bounded.
func serveHTTP(address string, h http.Handler, log interface{ Info(string, ...any) }) (stop func(), err error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for HTTP: %w", err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	log.Info("serving HTTP", "address", "http://"+l.Addr().String())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l) // ends with ErrServerClosed
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if srv.Shutdown(ctx) != nil {
			srv.Close()
		}
		<-done
	}, nil
}

func newAgent() *cobra.Command {
	return newDaemon("agent", "Send the canaries of one region, follow them, and vote", config.LoadAgent,
		func(a *config.Agent) common { return common{a.Log, a.Warnings} }, runAgent)
}
