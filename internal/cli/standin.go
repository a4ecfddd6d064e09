package cli

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"
)

// StandInOptions are what `mailquorum pagerduty-standin` was asked for.
type StandInOptions struct {
	Listen string
	Out    io.Writer
}

// runStandIn serves a stand-in for PagerDuty's Events API v2 until ctx ends.
var runStandIn = func(context.Context, StandInOptions) error {
	return errors.New("this build has no stand-in for PagerDuty")
}

func newStandIn() *cobra.Command {
	var o StandInOptions
	cmd := &cobra.Command{
		Use:    "pagerduty-standin",
		Short:  "Answer like PagerDuty's Events API v2, and keep what came",
		Hidden: true,
		Args:   args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out = cmd.OutOrStdout()
			return runStandIn(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:9319", "`HOST:PORT` to listen on")
	return cmd
}
