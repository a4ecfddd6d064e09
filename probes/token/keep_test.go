package token

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailquorum/internal/secret"
)

func TestTheNewestRefreshTokenOutlivesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "oauth-google.json")
	first, second, anew := secret.New("first-refresh"), secret.New("second-refresh"), secret.New("authorized-anew")
	wantKept := func(configured, want secret.Secret) {
		t.Helper()
		got, err := Kept(path, configured)
		if err != nil || got.Reveal() != want.Reveal() {
			t.Errorf("%v, another token than wanted: %v", err, got.Reveal() != want.Reveal())
		}
	}
	wantKept(first, first)
	for _, newest := range []secret.Secret{secret.New("between"), second} {
		if err := Keep(path, first, newest); err != nil {
			t.Fatal(err)
		}
	}
	wantKept(first, second)
	wantKept(anew, anew) // the old line of tokens is worth nothing
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
	if b, _ := os.ReadFile(path); strings.Contains(string(b), "first-refresh") {
		t.Error("the configured token is written down")
	}

	if err := os.WriteFile(path, []byte(`{"token":"second-ref`), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Kept(path, first)
	if err == nil || got.Reveal() != first.Reveal() || strings.Contains(err.Error(), "second") {
		t.Errorf("of a damaged file: %v", err)
	}
	if err := Keep(filepath.Join(path, "x"), first, second); err == nil || strings.Contains(err.Error(), "second") {
		t.Errorf("where nothing can be kept: %v", err)
	}
}
