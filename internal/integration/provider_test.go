//go:build integration

package integration

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
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

// startProvider starts a provider, and ends and removes it with the test: even
// when the test is killed, by a process that waits for its end.
func startProvider(t testing.TB, dir string, base int) *provider {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("these tests start Postfix and Dovecot, for which they must be run as root")
	}
	p := &provider{dir: filepath.Join(dir, "provider"), base: base}
	wipe := p.script("wipe")
	end := exec.Command("bash", append([]string{"-c", `read -r; exec "$0" "$@"`}, wipe.Args...)...)
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

// freePorts returns the base of a thousand ports of which the provider's and
// the first three hundred are free. They are below those that the system gives
// to outgoing connections, so they stay free until they are used.
func freePorts(t testing.TB) int {
	t.Helper()
	for range 100 {
		base := 12000 + 1000*rand.IntN(19)
		ports := []int{25, 143, 465, 587, 993}
		for p := 1; p < 25; p++ {
			ports = append(ports, meshPorts+p, httpPorts+p)
		}
		free := true
		for _, p := range ports {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+p))
			if err != nil {
				free = false
				break
			}
			l.Close()
		}
		if free {
			return base
		}
	}
	t.Fatal("no thousand free ports between 12000 and 31000")
	return 0
}

// room makes a directory for a test, in memory where there is such a place:
// there fsync costs nothing. Other users may enter it, as Postfix's and
// Dovecot's must.
func room(t testing.TB) string {
	t.Helper()
	parent := ""
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		parent = "/dev/shm"
	}
	dir, err := os.MkdirTemp(parent, "mailquorum-integration-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
