package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const providers = "../../docs/providers"

// fenced is a block of YAML in a page.
var fenced = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestProviderPages loads what the pages about providers tell people to write,
// and holds them to one form.
func TestProviderPages(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(providers, "*.md"))
	if err != nil || len(pages) < 6 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	index, err := os.ReadFile(filepath.Join(providers, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		name := filepath.Base(page)
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if name == "README.md" {
			continue
		}
		if !strings.Contains(string(index), "("+name+")") {
			t.Errorf("%s is not in the index", name)
		}
		for _, section := range []string{"\n## Quotas\n", "\n## OAuth\n"} {
			if !strings.Contains(string(b), section) {
				t.Errorf("%s: no section %q", name, strings.TrimSpace(section))
			}
		}
		blocks := fenced.FindAllSubmatch(b, -1)
		if len(blocks) != 1 {
			t.Errorf("%s: %d blocks of YAML, want 1", name, len(blocks))
			continue
		}
		loadBlock(t, name, string(blocks[0][1]))
	}
}

// loadBlock loads mailboxes and routes of a page as part of an agent of a roster
// that has the services which they name.
func loadBlock(t *testing.T, page, block string) {
	t.Helper()
	dir := t.TempDir()
	services := ""
	for _, m := range regexp.MustCompile(`(?m)^    service: (\S+)$`).FindAllStringSubmatch(block, -1) {
		services += fmt.Sprintf("  - {name: %s, provider: p}\n", m[1])
	}
	write(t, filepath.Join(dir, "roster.yaml"), "cluster: c\nregions: [{name: r}]\nservices:\n"+services+
		fmt.Sprintf("nodes: [{name: a, role: agent, region: r, key: %q, address: \"a.example.net:7946\"}]\n", testKey("a").Public()))
	path := filepath.Join(dir, "agent.yaml")
	write(t, path, "node: a\nroster: roster.yaml\nkey: credential:mailquorum-key\n"+block)
	if _, err := LoadAgent(path, Options{WithoutSecrets: true}); err != nil {
		t.Errorf("%s: %v", page, err)
	}
}

// TestQuotasAreDocumented: the figures that warnings are computed from stand in
// the pages, with their source.
func TestQuotasAreDocumented(t *testing.T) {
	for _, c := range []struct{ host, user, page string }{
		{"smtp.gmail.com", "canary@gmail.com", "google-workspace.md"},
		{"smtp.gmail.com", "canary@example.com", "google-workspace.md"},
		{"smtp-relay.gmail.com", "canary@example.com", "google-workspace.md"},
		{"smtp.office365.com", "canary@example.com", "microsoft-365.md"},
	} {
		page, err := os.ReadFile(filepath.Join(providers, c.page))
		if err != nil {
			t.Fatal(err)
		}
		q := quotaOf(c.host, c.user)
		for _, n := range []int{q.PerDay, q.PerMinute} {
			if n > 0 && !regexp.MustCompile(`\| `+thousands(n)+`\b`).Match(page) {
				t.Errorf("%s does not have %s's %s", c.page, c.host, thousands(n))
			}
		}
		if q.PerDay == 0 {
			t.Errorf("no quota of %s", c.host)
		}
	}
	if q := quotaOf("smtp.example.com", "canary"); q != (Quota{}) {
		t.Errorf("a quota of an unknown server: %+v", q)
	}
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
