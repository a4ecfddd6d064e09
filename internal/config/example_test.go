package config

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestExamplesLoad loads the examples as a host would have them, with keys of
// its own in place of those that stand there.
func TestExamplesLoad(t *testing.T) {
	dir, credentials := t.TempDir(), t.TempDir()
	for _, kind := range Kinds {
		text, err := Example(kind)
		if err != nil {
			t.Fatal(err)
		}
		if kind == KindRoster {
			text = withTestKeys(text)
		}
		write(t, filepath.Join(dir, string(kind)+".yaml"), string(text))
		if got, err := Recognise(filepath.Join(dir, string(kind)+".yaml")); err != nil || got != kind {
			t.Errorf("the example of %s is taken for %s, %v", kind, got, err)
		}
	}
	for _, name := range []string{"imap-password", "smtp-password", "pagerduty-routing-key"} {
		write(t, filepath.Join(credentials, name), "R0123456789abcdef0123456789abcde\n")
	}
	env := func(name string) string { return map[string]string{"CREDENTIALS_DIRECTORY": credentials}[name] }
	for kind, node := range map[Kind]string{KindAgent: "agent-eu-west", KindCoordinator: "coordinator-1", KindRoster: ""} {
		if node != "" {
			write(t, filepath.Join(credentials, "mailquorum-key"), string(testKey(node).Encode()))
		}
		if got := said(filepath.Join(dir, string(kind)+".yaml"), Options{Getenv: env}); got != "\n" {
			t.Errorf("the example of %s: %s", kind, got)
		}
	}
}

// nodeKey is a node with its key in an example of a roster.
var nodeKey = regexp.MustCompile(`(?s)- name: (\S+)\n    role: \w+\n    region: \S+\n    key: (mqpub:\S+)`)

// withTestKeys puts the tests' keys into a roster.
func withTestKeys(text []byte) []byte {
	for _, m := range nodeKey.FindAllSubmatch(text, -1) {
		text = bytes.ReplaceAll(text, m[2], []byte(testKey(string(m[1])).Public().String()))
	}
	return text
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
