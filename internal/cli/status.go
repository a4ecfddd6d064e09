package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mailquorum/internal/api"
	"mailquorum/internal/vote"
)

// asking adds the flags of commands that ask a coordinator.
func asking(cmd *cobra.Command, c *client, output *string) {
	cmd.Flags().StringVar(&c.base, "url", "http://127.0.0.1:9310", "`URL` of a coordinator")
	cmd.Flags().DurationVar(&c.timeout, "timeout", 10*time.Second, "how long to wait for its answer")
	cmd.Flags().StringVarP(output, "output", "o", "table", "table or json")
}

// checkOutput checks the flag --output.
func checkOutput(output string) error {
	if !slices.Contains([]string{"table", "json"}, output) {
		return usagef("--output %q: want table or json", output)
	}
	return nil
}

func newStatus() *cobra.Command {
	var c client
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Ask a coordinator how the services are",
		Long: `Asks a coordinator, and exits 0 when every service is up, 1 when one is not, and
3 when the coordinator could not be asked.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			var s api.Status
			raw, err := c.get(cmd.Context(), "api/v1/status", &s)
			if err == errNotFound {
				return exitError{exitUnreachable, fmt.Errorf("asking the coordinator at %s: it has no /api/v1/status: is it a coordinator's address?", c.base)}
			}
			if err != nil {
				return err
			}
			if output == "json" {
				_, err = cmd.OutOrStdout().Write(raw)
			} else {
				err = writeStatus(cmd.OutOrStdout(), s)
			}
			if err != nil {
				return fmt.Errorf("writing the status: %w", err)
			}
			if slices.ContainsFunc(s.Services, func(s api.Service) bool { return s.State != api.Up }) || len(s.Services) == 0 {
				return exitError{code: exitFailure}
			}
			return nil
		},
	}
	asking(cmd, &c, &output)
	return cmd
}

// writeStatus draws a status: a line per service, the vote of each that is not
// up, the open incidents, and the nodes that do not count.
func writeStatus(w io.Writer, s api.Status) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, seen by %s at %s\n\n", s.Cluster, s.Node, s.Now.UTC().Format(time.RFC3339))
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SERVICE\tPROVIDER\tSTATE\tSINCE\tVOTES")
	for _, v := range s.Services {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", v.Name, v.Provider, v.State, ago(s.Now, v.Since), votes(v))
	}
	t.Flush()
	for _, v := range s.Services {
		if v.State != api.Up && v.Drawing != "" {
			fmt.Fprintf(&b, "\n%s:\n%s\n", v.Name, strings.TrimRight(v.Drawing, "\n"))
		}
	}
	if open := slices.DeleteFunc(slices.Clone(s.Incidents), func(i api.Incident) bool { return i.State == "closed" }); len(open) > 0 {
		b.WriteString("\n")
		writeIncidents(&b, s.Now, open)
	}
	writeAbsent(&b, s.Nodes)
	if s.Unjournal {
		b.WriteString("\nthe journal of this coordinator cannot be written: it decides and pages all the same\n")
	}
	_, err := io.WriteString(w, printable(b.String()))
	return err
}

// writeAbsent writes a line per node whose votes do not count: it is not heard, or
// it was silenced because it said two different things under one number.
func writeAbsent(w io.Writer, nodes []api.Node) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := "\nNODE\tROLE\tREGION\tSTATE\tHEARD\n"
	for _, n := range nodes {
		var state string
		switch {
		case n.Silenced:
			state = "silenced"
		case n.Fresh:
			continue
		case n.Member:
			state = "silent, in the mesh"
		default:
			state = "silent"
		}
		heard := "never"
		if n.Age > 0 {
			heard = since(time.Duration(n.Age * float64(time.Second)))
		}
		fmt.Fprintf(t, "%s%s\t%s\t%s\t%s\t%s\n", head, n.Name, n.Role, n.Region, state, heard)
		head = ""
	}
	t.Flush()
}

// votes counts the fresh votes on a service.
func votes(s api.Service) string {
	count := map[string]int{}
	for _, r := range s.Regions {
		if o := r.Vote.Opinion; r.Fresh && o != vote.Unsettled {
			count[o.String()]++
		} else {
			count["silent"]++
		}
	}
	var parts []string
	for _, word := range []string{"up", "down", "abstain", "silent"} {
		if n := count[word]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, word))
		}
	}
	return fmt.Sprintf("%s of %d (need %d)", strings.Join(parts, ", "), s.N, s.Quorum)
}

// ago is how long before now t was, in its two largest units.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return since(max(0, now.Sub(t)))
}

// since is how long ago something was, in its two largest units.
func since(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm ago", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd ago", int(d.Hours())/24)
}
