package command

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailquorum/coordinator/page"
	"mailquorum/coordinator/store"
)

func script(t *testing.T, body string) *Destination {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := New(Config{Command: []string{path, "an argument"}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func event() page.Event {
	return page.Event{Action: store.Trigger, Key: "mailquorum/test/outage/mx/1", Summary: "line one\nSNEAKY=1", Severity: page.Critical, Details: map[string]any{"vote": "3 of 5"}}
}

func TestProgramGetsTheEvent(t *testing.T) {
	t.Setenv("PLANTED_SECRET", "MARKER")
	dir := t.TempDir()
	d := script(t, "cat > '"+dir+"/in'; env > '"+dir+"/env'; echo \"$1\" > '"+dir+"/arg'")
	if r, err := d.Send(t.Context(), event()); err != nil || r.ID != event().Key {
		t.Fatal(r, err)
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	var got page.Event
	if err := json.Unmarshal([]byte(read("in")), &got); err != nil || got.Key != event().Key || got.Details["vote"] != "3 of 5" {
		t.Errorf("%+v, %v", got, err)
	}
	if env := read("env"); !strings.Contains(env, "MAILQUORUM_ACTION=trigger\n") || !strings.Contains(env, "MAILQUORUM_SUMMARY=line one SNEAKY=1\n") || strings.Contains(env, "MARKER") {
		t.Error(env)
	}
	if read("arg") != "an argument\n" {
		t.Error(read("arg"))
	}
}

func TestExitCodesSayWhetherToTryAgain(t *testing.T) {
	for body, want := range map[string]page.Error{
		"exit 75": {Rejected: true},
		"exit 64": {Rejected: true, Permanent: true},
		"exit 1":  {},
		"kill $$": {},
		"head -c 1000000 /dev/zero | tr '\\0' x >&2; printf '\\033[31m'; exit 3": {},
	} {
		_, err := script(t, body).Send(t.Context(), event())
		var e *page.Error
		if !errors.As(err, &e) || e.Rejected != want.Rejected || e.Permanent != want.Permanent || len(err.Error()) > 500 || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %+v", body, err)
		}
	}
	d, err := New(Config{Command: []string{"/nonexistent/program"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Send(t.Context(), event())
	var e *page.Error
	if !errors.As(err, &e) || !e.Rejected {
		t.Errorf("a program that is not there: %+v", err)
	}
}

// A program that hangs is killed with its children, which hold its output open.
func TestHangingProgramIsKilled(t *testing.T) {
	dir := t.TempDir()
	d := script(t, "sleep 1000 & echo $! > '"+dir+"/child'; wait")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for {
			if b, err := os.ReadFile(filepath.Join(dir, "child")); err == nil && len(b) > 1 {
				cancel()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, err := d.Send(ctx, event())
	var e *page.Error
	if !errors.As(err, &e) || e.Rejected || e.Permanent {
		t.Errorf("%+v", err)
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for _, c := range [][]string{nil, {"relative"}, {"./x"}} {
		if _, err := New(Config{Command: c}); err == nil {
			t.Errorf("%v: accepted", c)
		}
	}
}
