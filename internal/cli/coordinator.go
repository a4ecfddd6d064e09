package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"mailquorum/internal/config"
)

// runCoordinator runs a coordinator until ctx ends, and returns once it is down.
var runCoordinator = func(context.Context, *config.Coordinator, Daemon) error {
	return errors.New("this build has no coordinator")
}

func newCoordinator() *cobra.Command {
	return newDaemon("coordinator", "Count the votes, keep the incidents, page, and show the state", config.LoadCoordinator,
		func(c *config.Coordinator) common { return common{c.Log, c.Warnings} },
		func(ctx context.Context, c *config.Coordinator, d Daemon) error { return runCoordinator(ctx, c, d) })
}
