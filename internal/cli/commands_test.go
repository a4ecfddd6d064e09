package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

const commands = "../../docs/commands.md"

// TestCommands keeps docs/commands.md what the command tree says. With -update it
// writes it.
func TestCommands(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("# Commands\n\n<!-- Written by go test ./internal/cli -update from the command tree. The same test\n     fails when they differ. -->\n")
	each(New(), func(c *cobra.Command) {
		var page bytes.Buffer
		anchor := func(file string) string { return "#" + strings.ReplaceAll(strings.TrimSuffix(file, ".md"), "_", "-") }
		if err := doc.GenMarkdownCustom(c, &page, anchor); err != nil {
			t.Fatal(err)
		}
		b.WriteString("\n" + strings.TrimRight(page.String(), "\n") + "\n")
	})
	if *update {
		if err := os.WriteFile(commands, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(commands)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(got)); diff != "" {
		t.Errorf("docs/commands.md is not what the tree says: go test ./internal/cli -update\n%s", diff)
	}
}

// each calls f for each command that is shown, the root first.
func each(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			each(sub, f)
		}
	}
}

// TestEveryCommandExplainsItself: what a command does is said in its help.
func TestEveryCommandExplainsItself(t *testing.T) {
	each(New(), func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: %q is no short description", c.CommandPath(), c.Short)
		}
		if c.RunE == nil {
			t.Errorf("%s: nothing runs", c.CommandPath())
		}
	})
}
