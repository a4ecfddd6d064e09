package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"mailquorum/internal/config"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check configurations, print examples and schemas"}
	kinds := []string{}
	for _, k := range config.Kinds {
		kinds = append(kinds, string(k))
	}
	print := func(use, short string, of func(config.Kind) ([]byte, error)) *cobra.Command {
		return &cobra.Command{
			Use:       use + " roster|agent|coordinator",
			Short:     short,
			Args:      args(cobra.ExactArgs(1)),
			ValidArgs: kinds,
			RunE: func(cmd *cobra.Command, args []string) error {
				b, err := of(config.Kind(args[0]))
				if err != nil {
					return exitError{exitUsage, err}
				}
				_, err = cmd.OutOrStdout().Write(b)
				return err
			},
		}
	}
	cmd.AddCommand(
		newConfigCheck(),
		print("example", "Print a commented file to start from", config.Example),
		print("schema", "Print the JSON Schema of a file, for editors", config.Schema),
	)
	return group(cmd)
}

func newConfigCheck() *cobra.Command {
	var without, strict bool
	cmd := &cobra.Command{
		Use:   "check FILE...",
		Short: "Check files: rosters, and configurations of agents and coordinators",
		Long: `Checks files as the daemons would, with the roster and the secrets that they
refer to, and says everything that is wrong, at its line and column. What a file
is the configuration of is seen by its content. Warnings tell what is allowed and
yet unwise: what the number of regions can promise, what a provider's quota says.`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, files []string) error {
			bad := false
			for _, file := range files {
				ok := checkFile(file, config.Options{WithoutSecrets: without}, strict, cmd.OutOrStdout(), cmd.ErrOrStderr())
				bad = bad || !ok
			}
			if bad {
				return exitError{code: exitFailure}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&without, "without-secrets", false, "leave secrets unread: to check a file on another host than its own")
	cmd.Flags().BoolVar(&strict, "strict", false, "fail on warnings too")
	return cmd
}

// checkFile checks one file, prints what is wrong, unwise and so, and reports
// whether it may be used.
func checkFile(file string, o config.Options, strict bool, stdout, stderr io.Writer) bool {
	c, err := config.Check(file, o)
	if err != nil {
		var problems config.Problems
		if !errors.As(err, &problems) {
			err = fmt.Errorf("mailquorum: %w", err)
		}
		fmt.Fprintln(stderr, err)
		return false
	}
	if len(c.Warnings) > 0 {
		fmt.Fprintln(stderr, c.Warnings)
	}
	for _, fact := range c.Facts {
		fmt.Fprintf(stdout, "%s: %s\n", file, fact)
	}
	return !strict || len(c.Warnings) == 0
}
