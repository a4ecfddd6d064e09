package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestManual(t *testing.T) {
	one, two := filepath.Join(t.TempDir(), "man"), t.TempDir()
	for _, dir := range []string{one, two} {
		if err := write(dir); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"mailquorum", "mailquorum-agent", "mailquorum-coordinator", "mailquorum-config-check", "mailquorum-key-generate"} {
		a, err := os.ReadFile(filepath.Join(one, name+".1"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(a, []byte(".SH SYNOPSIS")) {
			t.Errorf("%s: no manual page:\n%s", name, a)
		}
		b, err := os.ReadFile(filepath.Join(two, name+".1"))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: two builds differ, %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(one, "mailquorum-pagerduty-standin.1")); err == nil {
		t.Error("a hidden command has a manual page")
	}
}
