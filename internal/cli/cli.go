// Package cli is the command tree of mailquorum: flags, signals and logs on one
// side, one call into a package on the other.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"mailquorum/internal/config"
)

// Exit codes of every command but `check --output nagios`, which has those of
// Nagios.
const (
	exitOK          = 0
	exitFailure     = 1 // it did not work, or something is not well
	exitUsage       = 2 // wrong command, flag or argument
	exitUnreachable = 3 // the coordinator could not be asked

	// exitConfig (EX_CONFIG of sysexits.h) is a daemon whose configuration is
	// wrong: its unit is not restarted then. Not 2, which is that of a Go panic.
	exitConfig = 78
)

const exitCodes = `Exit codes: 0 success; 1 failure, or something is not well; 2 wrong command,
flag or argument; 3 the coordinator could not be asked; 78 a daemon's configuration is
wrong.`

// exitError is an error with its exit code. With a nil err nothing is printed:
// the command has said it all.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e exitError) Unwrap() error { return e.err }

// usagef is an error of how the command was called.
func usagef(format string, args ...any) error {
	return exitError{exitUsage, fmt.Errorf(format, args...)}
}

// Main runs the command line and returns its exit code. SIGINT and SIGTERM end
// the context of the command; a second one ends the process at once.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, args, os.Stdout, os.Stderr)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := New()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	code := exitFailure
	var exit exitError
	if errors.As(err, &exit) {
		if code = exit.code; exit.err == nil {
			return code
		}
	}
	// Problems of a configuration begin with file and line: editors read that.
	var problems config.Problems
	if errors.As(err, &problems) {
		fmt.Fprintln(stderr, problems)
		return code
	}
	fmt.Fprintf(stderr, "mailquorum: %s\n", err)
	if code == exitUsage {
		fmt.Fprintf(stderr, "see %s --help\n", cmd.CommandPath())
	}
	return code
}

// New returns the command tree.
func New() *cobra.Command {
	root := &cobra.Command{
		Use:   "mailquorum",
		Short: "A distributed synthetic mail-flow monitor",
		Long: `Several regions send tagged canary mails through a mail provider, read them
back, and agree over gossip whether the provider is in trouble. One region's bad
network never pages anyone; a real outage pages once, with the evidence attached.

` + exitCodes,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return exitError{exitUsage, err} })
	root.AddCommand(
		newDemo(),
		newAgent(),
		newCoordinator(),
		newCheck(),
		newTranscript(),
		newConfig(),
		newKey(),
		newStatus(),
		newIncidents(),
		newVersion(),
		newStandIn(),
	)
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", `{{if and .Runnable (not (index .Annotations "group"))}}`, 1))
	return group(root)
}

// group makes a command that only has others beneath it: alone it shows its
// help, and an unknown word is wrong usage.
func group(c *cobra.Command) *cobra.Command {
	c.Annotations = map[string]string{"group": "yes"} // for the usage template
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		cmd.SuggestionsMinimumDistance = 2
		hint := ""
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = fmt.Sprintf("; did you mean %s?", strings.Join(near, " or "))
		}
		return usagef("%s has no command %q%s", cmd.CommandPath(), args[0], hint)
	}
	return c
}

// args wraps a rule for arguments, so that breaking it is wrong usage.
func args(rule cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := rule(cmd, args); err != nil {
			return exitError{exitUsage, err}
		}
		return nil
	}
}
