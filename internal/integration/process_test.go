//go:build integration

package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// daemon is one process of the program under test. It can be killed, frozen and
// started again; its log grows over all its lives.
type daemon struct {
	name string
	log  string // path of what it wrote to standard output and error
	path string // of the program
	args []string
	env  []string // beside the test's own

	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// start starts the process. It dies with the test, however that ends.
func (d *daemon) start() error {
	f, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	cmd := exec.Command(d.path, d.args...)
	cmd.Env = append(os.Environ(), d.env...)
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", d.name, err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in ProcessState
		close(done)
	}()
	d.cmd, d.done = cmd, done
	return nil
}

// running reports whether the process is there.
func (d *daemon) running() bool {
	if d.cmd == nil {
		return false
	}
	select {
	case <-d.done:
		return false
	default:
		return true
	}
}

// signal sends a signal to the process, if it is there.
func (d *daemon) signal(s syscall.Signal) {
	if d.running() {
		_ = d.cmd.Process.Signal(s) // it may have ended just now
	}
}

// kill ends the process as a power failure would.
func (d *daemon) kill() {
	d.signal(syscall.SIGKILL)
	<-d.done
}

// stop asks the process to end, and returns its exit code; -1 when it had to be
// killed.
func (d *daemon) stop() int {
	d.signal(syscall.SIGCONT)
	d.signal(syscall.SIGTERM)
	select {
	case <-d.done:
		return d.cmd.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		d.kill()
		return -1
	}
}

// tail is the end of the log.
func (d *daemon) tail(lines int) string {
	b, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// command runs the program to its end, and returns what it said and its exit code.
func (c *cluster) command(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(c.program, args...)
	cmd.Dir = c.dir
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.Fatalf("mailquorum %s: %v", strings.Join(args, " "), err)
	}
	c.said = append(c.said, out.String(), errs.String())
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must runs the program and wants it to succeed.
func (c *cluster) must(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := c.command(t, args...)
	if code != 0 {
		t.Fatalf("mailquorum %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// build builds the program, once per cluster: what is tested is what is shipped.
func build(t testing.TB, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "mailquorum")
	out, err := exec.Command("go", "build", "-o", path, "mailquorum").CombinedOutput()
	if err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	return path
}
