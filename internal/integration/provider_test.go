//go:build integration

package integration

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// provider is a real mail provider on loopback: Postfix and Dovecot, through
// provider.sh.
type provider struct {
	dir  string
	base int // its ports are base+25, 143, 465, 587 and 993
}

// startProvider starts a provider in a directory, and ends it and removes the
// directory with the test: even when the test is killed, by a process that waits
// for its end.
func startProvider(t testing.TB, dir string, base int) *provider {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("these tests start Postfix and Dovecot, for which they must be run as root")
	}
	p := &provider{dir: filepath.Join(dir, "provider"), base: base}
	wipe := p.script("wipe")
	end := exec.Command("bash", append([]string{"-c", `read -r; "$@"; code=$?; rm -rf "$0"; exit $code`, dir}, wipe.Args...)...)
	end.Env = wipe.Env
	end.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	alive, err := end.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := end.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(t, end, alive) })
	if out, err := p.script("start").CombinedOutput(); err != nil {
		t.Fatalf("starting the provider: %v (make integration installs what it needs)\n%s", err, out)
	}
	return p
}

func (p *provider) end(t testing.TB, end *exec.Cmd, alive io.Closer) {
	if t.Failed() {
		for _, log := range []string{"postfix.log", "imap.log", "delivery.log"} {
			d := daemon{log: filepath.Join(p.dir, "log", log)}
			t.Logf("--- the provider's %s\n%s", log, d.tail(15))
		}
	}
	alive.Close()
	if err := end.Wait(); err != nil {
		t.Errorf("ending the provider: %v", err)
	}
}

func (p *provider) script(args ...string) *exec.Cmd {
	cmd := exec.Command("bash", append([]string{"./provider.sh"}, args...)...)
	cmd.Env = append(os.Environ(), "PROVIDER_DIR="+p.dir, fmt.Sprintf("PROVIDER_PORT_BASE=%d", p.base))
	return cmd
}

// set gives a command to the provider, and returns what it printed.
func (p *provider) set(t testing.TB, args ...string) string {
	t.Helper()
	out, err := p.script(args...).CombinedOutput()
	if err != nil {
		t.Fatalf("provider.sh %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// mend undoes every fault of the provider.
func (p *provider) mend(t testing.TB) {
	t.Helper()
	p.set(t, "smtp-up")
	p.set(t, "imap-up")
	p.set(t, "release")
}

// address is where one of the provider's services is.
func (p *provider) address(port int) string { return fmt.Sprintf("localhost:%d", p.base+port) }
