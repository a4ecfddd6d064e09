package cli

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"mailquorum/coordinator/page/pagerduty/pagerdutytest"
)

func newStandIn() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "pagerduty-standin",
		Short: "Answer like PagerDuty's Events API v2, and keep what came",
		Long: `Serves POST /v2/enqueue with the semantics of PagerDuty's Events API v2, and
shows what came: GET /calls and GET /incidents (JSON). PUT /fault sets a fault.
For trying out and for tests; point pagerduty.url at it.`,
		Hidden: true,
		Args:   args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("listening: %w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "http://%s\n", l.Addr())
			return pagerdutytest.Serve(cmd.Context(), l, &pagerdutytest.Server{})
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:9319", "`HOST:PORT` to listen on")
	return cmd
}
