package internal

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rule forbids imports, for a reason.
type rule struct {
	packages string   // those it holds for: a path below the module, "..." at the end for all below it
	not      []string // what they must not import; a "/..." covers everything below
	why      string
}

const module = "mailquorum/"

var impure = []string{"net", "net/http", "os", "sync", "log/slog", "database/sql", "go.opentelemetry.io/..."}

var rules = []rule{
	{"agent/evidence", impure, "a vote must be the same wherever and whenever it is computed"},
	{"coordinator/verdict", impure, "all coordinators must reach the same verdict from the same reports"},
	{"coordinator/incident", impure, "merge is a join: no clock and no I/O may enter it"},
	{"internal/vote", impure, "it is a vocabulary"},
	{"internal/mesh", []string{"mailquorum/..."}, "the mesh moves bytes and knows nothing of what they mean"},
	{"probes", []string{"mailquorum/agent/...", "mailquorum/coordinator/...", "mailquorum/internal/..."}, "the vocabulary stands below everything"},
	{"probes/...", []string{"mailquorum/agent/...", "mailquorum/coordinator/..."}, "probes do not know who asks"},
	{"agent/...", []string{"mailquorum/coordinator", "mailquorum/coordinator/page/...", "mailquorum/coordinator/store", "mailquorum/coordinator/web",
		"github.com/PagerDuty/..."}, "agents hold no pager keys and decide nothing"},
	{"coordinator/...", []string{"mailquorum/agent/...", "mailquorum/probes/submit", "mailquorum/probes/collect", "mailquorum/probes/mailtest"},
		"coordinators hold no mailbox credentials and send no mail"},
	{"coordinator/verdict", []string{"mailquorum/coordinator/incident", "mailquorum/coordinator/page/..."}, "a verdict does not depend on what follows from it"},
	{"internal/report", []string{"mailquorum/agent/...", "mailquorum/coordinator/..."}, "reports are bytes to everybody"},
}

// mailLibraries may be imported only where mail is spoken.
const (
	mailLibraries = "github.com/emersion/"
	mailSpeakers  = "mailquorum/probes/submit mailquorum/probes/collect mailquorum/probes/mailtest"
)

// imports lists each package's own imports, those of its tests left out.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "mailquorum/...")
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	out := map[string][]string{}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		out[f[0]] = f[1:]
	}
	return out
}

func covers(pattern, path string) bool {
	if below, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == below || strings.HasPrefix(path, below+"/")
	}
	return pattern == path
}

func TestWhoMayImportWhom(t *testing.T) {
	all := imports(t)
	for _, r := range rules {
		held := false
		for pkg, list := range all {
			if !covers(module+r.packages, pkg) {
				continue
			}
			held = true
			for _, imp := range list {
				if slices.ContainsFunc(r.not, func(p string) bool { return covers(p, imp) }) && !covers(module+r.packages, imp) {
					t.Errorf("%s imports %s, but %s", pkg, imp, r.why)
				}
			}
		}
		if !held {
			t.Errorf("no package is %s: the rule is out of date", r.packages)
		}
	}
	for pkg, list := range all {
		for _, imp := range list {
			if strings.HasPrefix(imp, mailLibraries) && !slices.Contains(strings.Fields(mailSpeakers), pkg) {
				t.Errorf("%s imports %s, but only %s speak mail", pkg, imp, mailSpeakers)
			}
		}
	}
}

func TestPurePackagesHaveNoClock(t *testing.T) {
	for _, pkg := range []string{"agent/evidence", "coordinator/verdict", "coordinator/incident"} {
		b, err := exec.Command("go", "list", "-f", `{{range .GoFiles}}{{$.Dir}}/{{.}} {{end}}`, module+pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range strings.Fields(string(b)) {
			out, _ := exec.Command("grep", "-nE", `time\.(Now|Since|Until|Sleep|After|NewTimer|NewTicker)\(`, file).Output() // no match is exit 1
			if len(out) > 0 {
				t.Errorf("%s asks the clock:\n%s", file, out)
			}
		}
	}
}
