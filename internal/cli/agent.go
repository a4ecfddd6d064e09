package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"mailquorum/internal/config"
)

// runAgent runs an agent until ctx ends, and returns once it is down.
var runAgent = func(context.Context, *config.Agent, Daemon) error {
	return errors.New("this build has no agent")
}

func newAgent() *cobra.Command {
	return newDaemon("agent", "Send the canaries of one region, follow them, and vote", config.LoadAgent,
		func(a *config.Agent) common { return common{a.Log, a.Warnings} },
		func(ctx context.Context, a *config.Agent, d Daemon) error { return runAgent(ctx, a, d) })
}
