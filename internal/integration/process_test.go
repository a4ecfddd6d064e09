package integration

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Ports of the nodes, from a base (freePorts): of the mesh, and of HTTP.
const (
	meshPorts = 100
	httpPorts = 200
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
