package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mailAccount is an account at a provider, as an agent needs it.
type mailAccount struct {
	smtps, imaps     string // host:port
	address          string // login and mail address
	password, caFile string
}

// lone is a cluster of one agent and one coordinator, as processes.
type lone struct {
	agent, coordinator *daemon
	http               string // of the agent
	coordinatorHTTP    string
}

// startLone starts them with so many routes from and to one account, and waits
// until both are ready.
func startLone(b *testing.B, account mailAccount, routes int, timing string) *lone {
	b.Helper()
	dir, base := room(b), freePorts(b)
	program := build(b, dir)
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			b.Fatal(err)
		}
		return path
	}
	key := func(node string) string {
		out, err := exec.Command(program, "key", "generate", "--out", filepath.Join(dir, node+".key")).Output()
		if err != nil {
			b.Fatalf("making a key: %v", err)
		}
		return strings.TrimSpace(string(out))
	}
	write("roster.yaml", fmt.Sprintf(`cluster: lone
regions: [{name: here}]
services: [{name: mail, provider: provider}]
nodes:
  - {name: agent, role: agent, region: here, key: %q, address: "127.0.0.1:%d"}
  - {name: coordinator, role: coordinator, region: here, key: %q, address: "127.0.0.1:%d"}
%s`, key("agent"), base+meshPorts+1, key("coordinator"), base+meshPorts+2, timing))
	write("password", account.password+"\n")
	node := `node: %[1]s
roster: roster.yaml
key: file:%[1]s.key
state: ` + dir + `
http: {listen: "%[2]s"}
`
	l := &lone{http: fmt.Sprintf("127.0.0.1:%d", base+httpPorts+1), coordinatorHTTP: fmt.Sprintf("127.0.0.1:%d", base+httpPorts+2)}
	var yaml strings.Builder
	fmt.Fprintf(&yaml, node+`mailboxes:
  - {name: inbox, address: "%[3]s", username: "%[4]s", password: file:password, ca_file: "%[5]s"}
routes:
`, "agent", l.http, account.imaps, account.address, account.caFile)
	for i := range routes {
		fmt.Fprintf(&yaml, `  - name: route-%d
    service: mail
    submit: {address: "%s", username: "%s", password: file:password, ca_file: "%s"}
    to: "%s"
    mailbox: inbox
`, i+1, account.smtps, account.address, account.caFile, account.address)
	}
	start := func(role, address, content string) *daemon {
		d := &daemon{name: role, log: filepath.Join(dir, role+".log"), path: program, args: []string{role, "--config", write(role+".yaml", content)}}
		if err := d.start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if code := d.stop(); code != 0 || b.Failed() {
				b.Errorf("the %s ended with exit code %d:\n%s", role, code, d.tail(20))
			}
		})
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			_, err := get(address, "/-/ready")
			if err == nil {
				return d
			}
			if time.Now().After(deadline) || !d.running() {
				b.Fatalf("the %s does not get ready: %v\n%s", role, err, d.tail(20))
			}
		}
	}
	l.coordinator = start("coordinator", l.coordinatorHTTP, fmt.Sprintf(node, "coordinator", l.coordinatorHTTP))
	l.agent = start("agent", l.http, yaml.String())
	return l
}
