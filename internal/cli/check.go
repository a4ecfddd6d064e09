package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mailquorum/internal/config"
)

// CheckOptions are what `mailquorum check` was asked for.
type CheckOptions struct {
	Routes   []string // names; empty: all
	Output   string   // table, json or nagios
	Terminal bool     // a person watches: draw a live line per stage
	Out      io.Writer
	Err      io.Writer
}

// runCheck sends one canary per route and reports. It returns the exit code.
var runCheck = func(context.Context, *config.Agent, CheckOptions) (int, error) {
	return exitFailure, errors.New("this build has no check")
}

func newCheck() *cobra.Command {
	var file, output string
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
				return exitError{3, err}
			}
			if err != nil {
				return err
			}
			for _, name := range names {
				if !slices.ContainsFunc(a.Routes, func(r config.Route) bool { return r.Name == name }) {
					return usagef("%s has no route %q", file, name)
				}
			}
			code, err := runCheck(cmd.Context(), a, CheckOptions{Routes: names, Output: output,
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
	return cmd
}
