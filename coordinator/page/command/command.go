// Package command pages by running a program: the way to everything that has no
// destination of its own. The program gets the event as JSON on its standard
// input, and in its environment nothing but MAILQUORUM_ACTION, _KEY, _SEVERITY
// and _SUMMARY, HOME and PATH. No shell is involved.
package command

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"mailquorum/coordinator/page"
	"mailquorum/probes"
)

// Config is a program.
type Config struct {
	Name    string   // "": command
	Command []string // absolute path, then arguments, which are no secrets: other users can see them
}

// Destination is a page.Destination.
type Destination struct {
	name    string
	command []string
}

// New checks the configuration.
func New(cfg Config) (*Destination, error) {
	if len(cfg.Command) == 0 || !filepath.IsAbs(cfg.Command[0]) {
		return nil, errors.New("command: want the absolute path of a program, then its arguments")
	}
	return &Destination{cmp.Or(cfg.Name, "command"), cfg.Command}, nil
}

// Name is the configured name.
func (d *Destination) Name() string { return d.name }

// Exit codes with a meaning (sysexits.h); any other failure is temporary.
const (
	exUsage    = 64
	exDataErr  = 65
	exTempFail = 75
)

// Send runs the program. Exit code 0 accepts the event, 64 and 65 refuse it for
// good, 75 says that it was certainly not delivered. When ctx ends, the program
// and its children are killed.
func (d *Destination) Send(ctx context.Context, e page.Event) (page.Receipt, error) {
	in, err := json.Marshal(e)
	if err != nil {
		return page.Receipt{}, &page.Error{Permanent: true, Rejected: true, Err: errors.New("command: the event is no JSON")}
	}
	out := &limited{}
	c := exec.CommandContext(ctx, d.command[0], d.command[1:]...)
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(in), out, out
	c.Env = environment(e)
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) } // its process group
	c.WaitDelay = time.Second                                                        // for a child that left the group and holds the pipes
	err = c.Run()
	if err == nil {
		return page.Receipt{ID: e.Key}, nil
	}
	fail := &page.Error{Err: fmt.Errorf("running %s: %w: %s", d.command[0], err, probes.Clean(strings.TrimSpace(string(out.kept))))}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code := exit.ExitCode()
		fail.Permanent = code == exUsage || code == exDataErr
		fail.Rejected = fail.Permanent || code == exTempFail
	} else if c.Process == nil {
		fail.Rejected = true // it was never started
	}
	return page.Receipt{}, fail
}

func environment(e page.Event) []string {
	line := strings.NewReplacer("\x00", "", "\n", " ", "\r", " ")
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
		"MAILQUORUM_ACTION=" + string(e.Action), "MAILQUORUM_KEY=" + line.Replace(e.Key),
		"MAILQUORUM_SEVERITY=" + string(e.Severity), "MAILQUORUM_SUMMARY=" + line.Replace(e.Summary),
	}
}

// limited keeps the first bytes of what a program says.
type limited struct{ kept []byte }

func (l *limited) Write(b []byte) (int, error) {
	room := max(0, probes.MaxServerText-len(l.kept))
	l.kept = append(l.kept, b[:min(room, len(b))]...)
	return len(b), nil
}
