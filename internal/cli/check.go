package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mailquorum/agent"
	"mailquorum/agent/check"
	"mailquorum/internal/config"
	"mailquorum/probes/collect"
)

// CheckOptions are what `mailquorum check` was asked for.
type CheckOptions struct {
	Routes   []string // names; empty: all
	Output   string   // table, json or nagios
	Deadline time.Duration
	Terminal bool // a person watches: draw a live line per stage
	Out      io.Writer
	Err      io.Writer
}

// checkDeadline bounds the wait of a check: whoever waits at a terminal learns of
// a missing canary sooner than the agent would call it lost.
const checkDeadline = 60 * time.Second

// runCheck sends one canary per route and reports. It returns the exit code.
func runCheck(ctx context.Context, a *config.Agent, o CheckOptions) (int, error) {
	log := slog.New(slog.NewTextHandler(o.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	sources, err := tokens(a, nil, log)
	if err != nil {
		return exitFailure, err
	}
	all := routes(a, sources)
	if len(o.Routes) > 0 {
		all = slices.DeleteFunc(all, func(r agent.Route) bool { return !slices.Contains(o.Routes, r.Name) })
	}
	read := map[string]bool{}
	for _, r := range all {
		read[r.Mailbox] = true
	}
	boxes := slices.DeleteFunc(mailboxes(a, sources, slog.New(slog.DiscardHandler)), func(m collect.Config) bool { return !read[m.Name] })
	opt := check.Options{Routes: all, Mailboxes: boxes, Cluster: a.Members.Cluster, Region: a.Self.Region, Deadline: o.Deadline}
	if o.Terminal && o.Output == "table" {
		opt.Progress = func(s check.Step) { check.Line(o.Out, s) }
	}
	results := check.Run(ctx, opt)
	switch o.Output {
	case "json":
		return check.JSON(o.Out, results)
	case "nagios":
		return check.Nagios(o.Out, results), nil
	}
	if opt.Progress != nil {
		fmt.Fprintln(o.Out)
	}
	return check.Table(o.Out, results), nil
}

func newCheck() *cobra.Command {
	var file, output string
	var deadline time.Duration
	cmd := &cobra.Command{
		Use:   "check --config FILE [ROUTE...]",
		Short: "Send one canary per route now, and say how it went",
		Long: `Sends one canary per route of an agent's configuration, or of the named routes,
and follows it to its mailbox. It needs neither journal nor mesh, and may run
beside the agent.

With --output nagios the exit codes are those of Nagios: 0 OK, 1 WARNING,
2 CRITICAL, 3 UNKNOWN. Otherwise 0 when every canary was delivered in time, else 1.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			outputs := []string{"table", "json", "nagios"}
			if !slices.Contains(outputs, output) {
				return usagef("--output %q: want %s", output, strings.Join(outputs, ", "))
			}
			a, err := config.LoadAgent(file, config.Options{})
			if err != nil && output == "nagios" {
				line, _, _ := strings.Cut(err.Error(), "\n")
				fmt.Fprintf(cmd.OutOrStdout(), "MAILQUORUM UNKNOWN - %s\n", line)
				return exitError{code: 3} // said on standard output, where Nagios reads
			}
			if err != nil {
				return err
			}
			for _, name := range names {
				if !slices.ContainsFunc(a.Routes, func(r config.Route) bool { return r.Name == name }) {
					return usagef("%s has no route %q", file, name)
				}
			}
			code, err := runCheck(cmd.Context(), a, CheckOptions{Routes: names, Output: output, Deadline: deadline,
				Terminal: isTerminal(cmd.OutOrStdout()), Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()})
			if err != nil {
				return exitError{code, fmt.Errorf("checking: %w", err)}
			}
			if code != exitOK {
				return exitError{code: code}
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "/etc/mailquorum/agent.yaml", "configuration `FILE` of an agent")
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table, json or nagios")
	cmd.Flags().DurationVar(&deadline, "deadline", checkDeadline, "how long to wait for a canary's arrival")
	return cmd
}
