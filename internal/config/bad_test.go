package config

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"mailquorum/internal/roster"
)

var update = flag.Bool("update", false, "write what is generated or said now over the files that the tests compare with")

// testKey is the key of a node in a test: the same each time.
func testKey(node string) roster.PrivateKey {
	seed := sha256.Sum256([]byte("test key of " + node))
	key, err := roster.ParsePrivateKey([]byte("mqkey:" + base64.RawURLEncoding.EncodeToString(seed[:])))
	if err != nil {
		panic(err)
	}
	return key
}

// testEnv is the environment of the tests: KEY_<node> is that node's key.
func testEnv(name string) string {
	if node, ok := strings.CutPrefix(name, "KEY_"); ok {
		return string(testKey(node).Encode())
	}
	return map[string]string{
		"PASSWORD":    "marker-hunter2-marker",
		"ROUTING_KEY": "R0123456789abcdef0123456789abcde",
		"GARBAGE":     "marker-garbage-marker",
	}[name]
}

// unpack writes an archive to a directory. $KEY(node) becomes a public key.
func unpack(t *testing.T, a *txtar.Archive) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range a.Files {
		content := string(f.Data)
		for {
			before, rest, ok := strings.Cut(content, "$KEY(")
			if !ok {
				break
			}
			node, after, _ := strings.Cut(rest, ")")
			content = before + testKey(node).Public().String() + after
		}
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// said is everything that loading a file says: the error, then the warnings.
func said(path string, o Options) string {
	var err error
	var warnings Problems
	switch filepath.Base(path) {
	case "agent.yaml":
		var a *Agent
		if a, err = LoadAgent(path, o); a != nil {
			warnings = a.Warnings
		}
	case "coordinator.yaml":
		var c *Coordinator
		if c, err = LoadCoordinator(path, o); c != nil {
			warnings = c.Warnings
		}
	default:
		_, warnings, err = LoadRoster(path)
	}
	var parts []string
	if err != nil {
		parts = append(parts, err.Error())
	}
	if len(warnings) > 0 {
		parts = append(parts, warnings.Error())
	}
	return strings.Join(parts, "\n") + "\n"
}

// TestSaid loads each archive of testdata/said: its first file is loaded, the
// good files of testdata/good.txtar stand beside it, and its file "said" is what
// must be said, to the byte.
func TestSaid(t *testing.T) {
	good, err := txtar.ParseFile("testdata/good.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/said/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d archives, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all := &txtar.Archive{Files: append(append([]txtar.File{}, good.Files...), a.Files...)}
			dir := unpack(t, all)
			got := said(filepath.Join(dir, a.Files[0].Name), Options{Getenv: testEnv})
			got = strings.ReplaceAll(got, dir+"/", "")
			if strings.Contains(got, "marker") {
				t.Errorf("a secret was shown:\n%s", got)
			}
			want := ""
			for i, f := range a.Files {
				if f.Name == "said" {
					want = string(f.Data)
					a.Files = append(a.Files[:i:i], a.Files[i+1:]...)
					break
				}
			}
			if *update {
				a.Files = append(a.Files, txtar.File{Name: "said", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("said something else (-want +got):\n%s", diff)
			}
		})
	}
}

// TestGood loads the good files: nothing is wrong with them, and nothing unwise.
func TestGood(t *testing.T) {
	good, err := txtar.ParseFile("testdata/good.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := unpack(t, good)
	for _, f := range good.Files {
		if got := said(filepath.Join(dir, f.Name), Options{Getenv: testEnv}); got != "\n" {
			t.Errorf("%s: %s", f.Name, got)
		}
	}
}

func TestMissingFile(t *testing.T) {
	_, err := LoadAgent(filepath.Join(t.TempDir(), "absent.yaml"), Options{})
	if !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "reading configuration: ") {
		t.Errorf("got %v", err)
	}
	if _, err = LoadAgent(t.TempDir(), Options{}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: got %v", err)
	}
}
