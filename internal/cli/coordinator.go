package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"github.com/spf13/cobra"

	"mailquorum/coordinator"
	"mailquorum/coordinator/page"
	"mailquorum/coordinator/page/pagerduty"
	"mailquorum/coordinator/store"
	"mailquorum/coordinator/web"
	"mailquorum/internal/config"
	"mailquorum/internal/telemetry"
)

// runCoordinator runs a coordinator until ctx ends, and returns once it is down.
func runCoordinator(ctx context.Context, c *config.Coordinator, d Daemon) (err error) {
	if err := makeState(c.State); err != nil {
		return err
	}
	st, err := store.Open(filepath.Join(c.State, "coordinator.db"), d.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	destinations, err := destinations(c)
	if err != nil {
		return err
	}
	mesh, err := net.Listen("tcp", c.Mesh.Listen)
	if err != nil {
		return fmt.Errorf("listening for the mesh: %w", err)
	}
	defer mesh.Close()
	cfg := coordinator.Config{Roster: c.Members, Node: c.Node, Key: c.Identity, Store: st, Destinations: destinations, Listener: mesh,
		Dial: dialer.DialContext, URL: c.HTTP.URL, Version: Version(), Metrics: telemetry.NewMetrics(Version()), Log: d.Log}
	if c.PagerDuty != nil {
		cfg.Severity = c.PagerDuty.Severity
	}
	co, err := coordinator.New(cfg)
	if err != nil {
		return err
	}
	stop, err := serveHTTP(c.HTTP.Listen, web.Handler(co, web.Options{Metrics: cfg.Metrics}), d.Log)
	if err != nil {
		return err
	}
	defer stop()
	d.Ready(co.Alive)
	return co.Run(ctx)
}

// destinations are the configured paging services.
func destinations(c *config.Coordinator) ([]page.Destination, error) {
	if c.PagerDuty == nil {
		return nil, nil
	}
	pd, err := pagerduty.New(pagerduty.Config{RoutingKey: c.PagerDuty.RoutingKey.Secret, URL: c.PagerDuty.URL, ClientURL: c.HTTP.URL})
	if err != nil {
		return nil, err
	}
	return []page.Destination{pd}, nil
}

func newCoordinator() *cobra.Command {
	return newDaemon("coordinator", "Count the votes, keep the incidents, page, and show the state", config.LoadCoordinator,
		func(c *config.Coordinator) common { return common{c.Log, c.Warnings} }, runCoordinator)
}
