package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mailquorum/internal/api"
)

func newIncidents() *cobra.Command {
	var c client
	var output string
	list := &cobra.Command{
		Use:   "incidents",
		Short: "List the incidents that a coordinator knows, or show one",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			var all []api.Incident
			raw, err := c.get(cmd.Context(), "api/v1/incidents", &all)
			if err != nil {
				return notFound(err, "it has no /api/v1/incidents: is %s a coordinator's address?", c.base)
			}
			out := cmd.OutOrStdout()
			if output == "json" {
				_, err = out.Write(raw)
				return err
			}
			if len(all) == 0 {
				_, err = fmt.Fprintln(out, "no incidents")
				return err
			}
			var b strings.Builder
			writeIncidents(&b, time.Now(), all)
			_, err = io.WriteString(out, printable(b.String()))
			return err
		},
	}
	asking(list, &c, &output)
	list.AddCommand(newIncidentsShow())
	return list
}

func newIncidentsShow() *cobra.Command {
	var c client
	var output string
	show := &cobra.Command{
		Use:     "show outage/SERVICE/N",
		Short:   "Show one incident: its times, its canaries, the vote that opened it",
		Example: "  mailquorum incidents show outage/mimecast-uk/3",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			var in api.Incident
			raw, err := c.get(cmd.Context(), "api/v1/incidents/"+args[0], &in)
			if err != nil {
				return c.noIncident(cmd.Context(), args[0], err)
			}
			if output == "json" {
				_, err = cmd.OutOrStdout().Write(raw)
				return err
			}
			return writeIncident(cmd.OutOrStdout(), in)
		},
	}
	asking(show, &c, &output)
	return show
}

// mostNamed bounds the incidents that are named to whoever asks for another.
const mostNamed = 10

// noIncident says, when err is a 404, how incidents are named and which there are.
func (c client) noIncident(ctx context.Context, id string, err error) error {
	if err != errNotFound {
		return err
	}
	said := fmt.Sprintf("the coordinator at %s has no incident %q", c.base, printable(id))
	if strings.Count(id, "/") != 2 {
		said += ": want outage/SERVICE/N"
	}
	var all []api.Incident
	if _, err := c.get(ctx, "api/v1/incidents", &all); err != nil {
		return errors.New(said)
	}
	var ids []string
	for _, i := range all[:min(len(all), mostNamed)] {
		ids = append(ids, printable(i.ID))
	}
	switch more := len(all) - len(ids); {
	case len(ids) == 0:
		said += "; there are none"
	case more > 0:
		said += fmt.Sprintf("; there are %s and %d more: see mailquorum incidents", strings.Join(ids, ", "), more)
	default:
		said += "; there are " + strings.Join(ids, ", ")
	}
	return errors.New(said)
}

// notFound says what a 404 means; other errors stay as they are.
func notFound(err error, format string, args ...any) error {
	if err == errNotFound {
		return fmt.Errorf(format, args...)
	}
	return err
}

// writeIncidents writes a line per incident.
func writeIncidents(w io.Writer, now time.Time, all []api.Incident) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "INCIDENT\tSTATE\tONSET\tOPENED\tLASTED\tSENT\tLATE\tFAILED\tLOST\tMISSING")
	for _, i := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n", i.ID, i.State, stamp(i.Onset), stamp(i.Opened), lasted(now, i),
			i.Count.Sent, i.Count.Late, i.Count.Failed, i.Count.Lost, i.Count.Pending)
	}
	t.Flush()
}

// writeIncident writes everything about one incident.
func writeIncident(w io.Writer, i api.Incident) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n\n", i.ID, i.State)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" && value != "-" {
			fmt.Fprintf(t, "%s\t%s\n", name, value)
		}
	}
	line("service", i.Service)
	line("provider", i.Provider)
	line("key", i.Key)
	line("onset", stamp(i.Onset))
	line("opened", stamp(i.Opened))
	line("paged", strings.TrimSpace(stamp(i.Paged)+by(i.PagedBy)))
	line("recovering", stamp(i.Recovering))
	line("closed", stamp(i.Closed))
	line("resolved", stamp(i.Resolved))
	k := i.Count
	line("canaries", fmt.Sprintf("%d sent: %d delivered, %d late, %d failed, %d lost, %d missing, %d unknown",
		k.Sent, k.Delivered, k.Late, k.Failed, k.Lost, k.Pending, k.Unknown))
	t.Flush()
	if i.Drawing != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimRight(i.Drawing, "\n"))
	}
	if len(i.Timeline) > 0 {
		b.WriteString("\n")
		for _, e := range i.Timeline {
			fmt.Fprintf(t, "%s\t%s\t%s\n", stamp(e.At), e.What, strings.ReplaceAll(e.Text, "\n", "; "))
		}
		t.Flush()
	}
	_, err := io.WriteString(w, printable(b.String()))
	return err
}

// stamp is a time in UTC, "-" when there is none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func by(node string) string {
	if node == "" {
		return ""
	}
	return " by " + node
}

// lasted is the time from onset to close, or until now.
func lasted(now time.Time, i api.Incident) string {
	end := now
	if !i.Closed.IsZero() {
		end = i.Closed
	}
	if i.Onset.IsZero() {
		return "-"
	}
	return max(0, end.Sub(i.Onset)).Truncate(time.Second).String()
}
