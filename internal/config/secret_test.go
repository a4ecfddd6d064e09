package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

const marker = "marker-hunter2-marker"

func TestSecretReferences(t *testing.T) {
	for _, ref := range []string{"file:/etc/mailquorum/key", "file:key", "credential:imap-password", "env:MAIL_PASSWORD"} {
		var s Secret
		if err := s.UnmarshalText([]byte(ref)); err != nil || s.Ref != ref || !s.Set() {
			t.Errorf("%s: %v, %q", ref, err, s.Ref)
		}
	}
	for _, ref := range []string{marker, "file:", "file:///etc/key", "credential:", "credential:../key", "credential:a/b", "credential:.hidden",
		"env:", "env:A B", "env:1A", "FILE:/key", "http://" + marker, "vault:" + marker, ":" + marker, ""} {
		var s Secret
		err := s.UnmarshalText([]byte(ref))
		if err == nil || s.Set() {
			t.Errorf("%q was taken for a reference", ref)
		} else if strings.Contains(err.Error(), "marker") {
			t.Errorf("the error shows the value: %v", err)
		}
	}
}

func TestReadSecret(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) {
		write(t, filepath.Join(dir, name), content)
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	file("plain", marker, 0o600)
	file("newline", marker+"\n", 0o640)
	file("dos", marker+"\r\n", 0o600)
	file("spaces", " "+marker+" \n", 0o600)
	file("open", marker, 0o644)
	file("empty", "\n", 0o600)
	file("two", marker+"\n"+marker+"\n", 0o600)
	file("large", strings.Repeat("x", maxSecret+1), 0o600)
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	env := func(name string) string {
		return map[string]string{"CREDENTIALS_DIRECTORY": dir, "PASSWORD": marker}[name]
	}
	for _, c := range []struct{ ref, value, warning, err string }{
		{"file:plain", marker, "", ""},
		{"file:" + dir + "/plain", marker, "", ""},
		{"credential:plain", marker, "", ""},
		{"env:PASSWORD", marker, "", ""},
		{"file:newline", marker, "", ""},
		{"file:dos", marker, "", ""},
		{"file:spaces", " " + marker + " ", "", ""},
		{"file:open", marker, "is open to every user of this host (mode 0644): chmod o= ", ""},
		{"file:empty", "", "", "the secret is empty"},
		{"file:two", "", "", "the secret has more than one line"},
		{"file:large", "", "", "is larger than 64 KiB"},
		{"file:folder", "", "", "is not a regular file"},
		{"file:absent", "", "", "no such file"},
		{"credential:absent", "", "", "the unit needs LoadCredential=absent:/path/of/the/file"},
		{"env:ABSENT", "", "", "the environment variable ABSENT is not set"},
	} {
		s := Secret{Ref: c.ref}
		warning, err := s.read(dir, env)
		switch {
		case c.err == "" && err != nil, c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: error %v, want %q", c.ref, err, c.err)
		case s.Reveal() != c.value:
			t.Errorf("%s: another value", c.ref)
		case c.warning == "" && warning != "" || !strings.Contains(warning, c.warning):
			t.Errorf("%s: warning %q, want %q", c.ref, warning, c.warning)
		case strings.Contains(fmt.Sprint(err, warning), "marker"):
			t.Errorf("%s: the secret was shown: %v %s", c.ref, err, warning)
		}
	}
}

// TestLoadedPrintsNoSecrets: whatever way a configuration is printed, nothing
// secret is in it.
func TestLoadedPrintsNoSecrets(t *testing.T) {
	good, err := txtar.ParseFile("testdata/good.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := unpack(t, good)
	a, err := LoadAgent(filepath.Join(dir, "agent.yaml"), Options{Getenv: testEnv})
	if err != nil {
		t.Fatal(err)
	}
	c, err := LoadCoordinator(filepath.Join(dir, "coordinator.yaml"), Options{Getenv: testEnv})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, v := range []any{a, *a, c, *c, a.Mailboxes, a.Routes[0].Submit, c.PagerDuty, a.Identity, a.Key} {
		fmt.Fprintf(&out, "%v %+v %#v %s\n", v, v, v, v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("configuration", "value", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("configuration", "value", v)
	}
	for _, v := range []any{a.Mailboxes[0].Password, c.PagerDuty.RoutingKey, a.Key} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	secrets := map[string]string{"password": marker, "routing key": testEnv("ROUTING_KEY"), "private key": strings.TrimSpace(testEnv("KEY_a1")),
		"seed": fmt.Sprint(a.Identity.Seed())}
	for name, secret := range secrets {
		if strings.Contains(out.String(), strings.TrimPrefix(secret, "mqkey:")) {
			t.Errorf("the %s is printed:\n%s", name, out.String())
		}
	}
	if a.Routes[0].Submit.Password.Reveal() != marker {
		t.Error("the password was not loaded")
	}
}
