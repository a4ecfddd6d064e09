package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"mailquorum/agent"
	"mailquorum/agent/journal"
	"mailquorum/internal/config"
	journalfile "mailquorum/internal/journal"
)

func newTranscript() *cobra.Command {
	c := client{of: "agent"}
	var file string
	cmd := &cobra.Command{
		Use:   "transcript ROUTE",
		Short: "Show what was said when a route last failed",
		Long: `Shows both dialogues of a route: that of its last canary that failed, and that of
the last session of its mailbox that failed, without passwords and without mail.

With --url it asks that agent. With --config it asks the agent of that
configuration, and reads its journal when the agent is not running.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			if (file == "") == (c.base == "") {
				return usagef("want --config FILE or --url URL")
			}
			if c.base != "" {
				return c.transcript(cmd.Context(), cmd.OutOrStdout(), names[0])
			}
			a, err := config.LoadAgent(file, config.Options{WithoutSecrets: true})
			if err != nil {
				return err
			}
			i := slices.IndexFunc(a.Routes, func(r config.Route) bool { return r.Name == names[0] })
			if i < 0 {
				return usagef("%s has no route %q", file, names[0])
			}
			return transcriptOf(cmd.Context(), cmd.OutOrStdout(), c, a, a.Routes[i])
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration `FILE` of an agent")
	cmd.Flags().StringVar(&c.base, "url", "", "`URL` of an agent, as in http://127.0.0.1:9311")
	cmd.Flags().DurationVar(&c.timeout, "timeout", 10*time.Second, "how long to wait for its answer")
	return cmd
}

// transcript asks an agent that runs.
func (c client) transcript(ctx context.Context, w io.Writer, route string) error {
	text, err := c.get(ctx, "debug/transcript/"+url.PathEscape(route), nil)
	if errors.Is(err, errNotFound) {
		return fmt.Errorf("the agent at %s has no route %q", c.base, route)
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, printable(string(text)))
	return err
}

// transcriptOf reads the journal of an agent, or asks the agent that has it open.
func transcriptOf(ctx context.Context, w io.Writer, c client, a *config.Agent, r config.Route) error {
	path := filepath.Join(a.State, "agent.db")
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("looking for the agent's journal: %w", err) // opening it would make one
	}
	j, err := journal.Open(path)
	if errors.Is(err, journalfile.ErrLocked) {
		c.base = "http://" + a.HTTP.Listen
		return c.transcript(ctx, w, r.Name)
	}
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := errors.Join(agent.WriteTranscript(&b, j, r.Name, r.Mailbox), j.Close()); err != nil {
		return err
	}
	_, err = io.WriteString(w, printable(b.String()))
	return err
}
