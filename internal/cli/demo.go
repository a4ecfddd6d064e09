package cli

import (
	"github.com/spf13/cobra"

	"mailquorum/internal/demo"
)

func newDemo() *cobra.Command {
	o := demo.PlayOptions{Version: Version()}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show an outage from the first canary to the resolved page, in one process",
		Long: `Runs five regions, three coordinators on a real mesh over loopback, an embedded
mail provider and a stand-in for PagerDuty in this process, with all times scaled
down, and tells the story of an outage. Nothing leaves this host.

With --once it ends with the story, in under 90 seconds, and exits 0 only when
each part of it was seen exactly so.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.In, o.Out = cmd.InOrStdin(), cmd.OutOrStdout()
			return demo.Play(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.Once, "once", false, "end with the story, and fail when a part of it was not seen")
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:0", "`HOST:PORT` of the status page; port 0: any free one")
	return cmd
}
