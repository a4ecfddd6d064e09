package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mailquorum/internal/config"
	"mailquorum/internal/roster"
)

// nodeKey is a node with its key in a roster.
var nodeKey = regexp.MustCompile(`- name: (\S+)\n    role: \w+\n    region: \S+\n    key: (mqpub:\S+)`)

// TestThreeRegions loads the example as its six hosts would, each with a key and
// secrets of its own. Nothing is wrong, and only the number of regions unwise.
func TestThreeRegions(t *testing.T) {
	dir := t.TempDir()
	files, err := filepath.Glob("examples/three-regions/*.yaml")
	if err != nil || len(files) != 7 {
		t.Fatalf("%d files, %v; want a roster, three agents and three coordinators", len(files), err)
	}
	keys := map[string]roster.PrivateKey{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(content)
		for _, m := range nodeKey.FindAllStringSubmatch(text, -1) {
			keys[m[1]] = roster.GenerateKey()
			text = strings.ReplaceAll(text, m[2], keys[m[1]].Public().String())
		}
		write(t, filepath.Join(dir, filepath.Base(file)), text)
	}
	if len(keys) != 6 {
		t.Fatalf("the roster has %d nodes, want 6", len(keys))
	}
	for node, key := range keys {
		credentials := t.TempDir()
		write(t, filepath.Join(credentials, "mailquorum-key"), string(key.Encode()))
		for _, name := range []string{"inside-password", "outside-password", "pagerduty-routing-key"} {
			write(t, filepath.Join(credentials, name), "R0123456789abcdef0123456789abcde\n")
		}
		env := func(name string) string { return map[string]string{"CREDENTIALS_DIRECTORY": credentials}[name] }
		c, err := config.Check(filepath.Join(dir, node+".yaml"), config.Options{Getenv: env})
		if err != nil {
			t.Errorf("%s: %v", node, err)
			continue
		}
		if want, _, _ := strings.Cut(node, "-"); string(c.Kind) != want {
			t.Errorf("%s is taken for the configuration of a %s", node, c.Kind)
		}
		for _, w := range c.Warnings {
			if !strings.Contains(w.Text, "3 regions, quorum 2") {
				t.Errorf("%s: %v", node, w)
			}
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
