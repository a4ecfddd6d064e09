//go:build integration

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	service    = "mail-inbound"
	routingKey = "R1integrationMarker0123456789abc"
)

// regions of the cluster, in three failure domains; agent i speaks for region i
// with the account agent<i+1>.
var regions = []struct{ name, domain string }{
	{"eu-west", "cloud-a"}, {"eu-north", "cloud-a"}, {"us-east", "cloud-b"}, {"us-west", "cloud-b"}, {"ap-south", "cloud-c"},
}

// timing is a real monitor's, fifteen times faster where a busy machine allows.
const timing = `timing:
  interval: 4s
  deadline: 20s
  drought: 5s
  tau: 2s
  report: 500ms
  alert: 200ms
  fresh: 4s
  confirm: 500ms
  close_hold: 4s
  linger: 40s
  regional: 20s
  blind: 60s
  rank: 1s
  settle: 2s
  reopen: 1s
  control: 4s
`

// cluster is five agents and three coordinators, each a process of its own,
// around one real provider and a stand-in for PagerDuty.
type cluster struct {
	*provider
	dir     string
	program string
	said    []string // what commands said
	proxies [2]*proxy
	traces  *traces
	standIn *daemon
	nodes   map[string]*daemon
	agents  []string
	coords  []string
}

// startCluster builds the program, configures and starts everything.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	dir := room(t)
	c := &cluster{dir: dir, nodes: map[string]*daemon{}, program: build(t, dir)}
	for i := range regions {
		c.agents = append(c.agents, fmt.Sprintf("agent-%d", i+1))
	}
	for i := range 3 {
		c.coords = append(c.coords, fmt.Sprintf("coord-%d", i+1))
	}
	c.provider = startProvider(t, dir, freePorts(t))
	c.proxies = [2]*proxy{startProxy(t, c.address(465)), startProxy(t, c.address(993))}
	c.traces = startTraces(t)
	controls, authority := startControls(t, dir)
	c.standIn = &daemon{name: "standin", log: c.file("standin.log"), path: c.program,
		args: []string{"pagerduty-standin", "--listen", fmt.Sprintf("127.0.0.1:%d", c.base+httpPorts)}}
	c.writeRoster(t)
	for i, name := range c.agents {
		c.writeAgent(t, name, i, controls)
	}
	for i, name := range c.coords {
		c.writeCoordinator(t, name, i)
	}
	for _, name := range append(c.agents, c.coords...) {
		c.must(t, "config", "check", name+".yaml")
		role := "agent"
		if strings.HasPrefix(name, "coord") {
			role = "coordinator"
		}
		c.nodes[name] = &daemon{name: name, log: c.file(name + ".log"), path: c.program, args: []string{role, "--config", c.file(name + ".yaml")},
			env: []string{"SSL_CERT_FILE=" + authority, "OTEL_EXPORTER_OTLP_ENDPOINT=" + c.traces.URL}}
	}
	t.Cleanup(func() { c.stop(t) })
	for _, d := range append([]*daemon{c.standIn}, c.all()...) {
		if err := d.start(); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// all lists the nodes in the order of the roster.
func (c *cluster) all() []*daemon {
	var out []*daemon
	for _, name := range append(c.agents, c.coords...) {
		out = append(out, c.nodes[name])
	}
	return out
}

// stop ends every process, and shows the end of the logs when a test has failed.
func (c *cluster) stop(t *testing.T) {
	for _, d := range append(c.all(), c.standIn) {
		d.signal(9)
	}
	for _, d := range append(c.all(), c.standIn) {
		if d.cmd != nil {
			<-d.done
		}
		if t.Failed() {
			t.Logf("--- log of %s\n%s", d.name, d.tail(25))
		}
	}
}

func (c *cluster) file(name string) string { return filepath.Join(c.dir, name) }

// http is where a node serves; 0 is the stand-in.
func (c *cluster) http(node string) string {
	return fmt.Sprintf("127.0.0.1:%d", c.base+httpPorts+c.place(node))
}

// place numbers the nodes from 1.
func (c *cluster) place(node string) int {
	for i, n := range append(c.agents, c.coords...) {
		if n == node {
			return i + 1
		}
	}
	return 0
}

func (c *cluster) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(c.file(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeRoster makes the keys and enrolls everybody.
func (c *cluster) writeRoster(t *testing.T) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "cluster: integration\nregions:\n")
	for _, g := range regions {
		fmt.Fprintf(&b, "  - {name: %s, domain: %s}\n", g.name, g.domain)
	}
	fmt.Fprintf(&b, "services:\n  - {name: %s, provider: provider}\nnodes:\n", service)
	for i, name := range append(c.agents, c.coords...) {
		role, region := "agent", i
		if i >= len(regions) {
			role, region = "coordinator", 2*(i-len(regions))
		}
		key := strings.TrimSpace(c.must(t, "key", "generate", "--out", c.file(name+".key")))
		fmt.Fprintf(&b, "  - {name: %s, role: %s, region: %s, key: %q, address: \"127.0.0.1:%d\"", name, role, regions[region].name, key, c.base+meshPorts+i+1)
		if role == "agent" {
			fmt.Fprintf(&b, ", credentials: account-%d", i+1)
		}
		fmt.Fprintf(&b, "}\n")
	}
	c.write(t, "roster.yaml", b.String()+timing)
	c.must(t, "config", "check", "roster.yaml")
}

// writeAgent configures an agent. The first uses TLS from the first byte, the
// second STARTTLS, the third AUTH LOGIN, and the last goes through the proxies.
func (c *cluster) writeAgent(t *testing.T, name string, i int, controls []string) {
	t.Helper()
	user := fmt.Sprintf("agent%d", i+1)
	c.write(t, name+".password", "secret-"+user+"\n")
	smtp, imap, tls, mechanism := c.address(465), c.address(993), "implicit", "plain"
	switch i {
	case 1:
		smtp, imap, tls = c.address(587), c.address(143), "starttls"
	case 2:
		mechanism = "login"
	case len(regions) - 1:
		smtp, imap = c.proxies[0].address(), c.proxies[1].address()
	}
	c.write(t, name+".yaml", fmt.Sprintf(`node: %[1]s
roster: roster.yaml
key: file:%[1]s.key
state: %[2]s
http: {listen: "%[3]s"}
mailboxes:
  - {name: inbox, address: "%[4]s", tls: %[6]s, username: %[8]s@provider.test, password: file:%[1]s.password, ca_file: provider/tls/ca.pem}
routes:
  - name: inbound
    service: %[9]s
    submit: {address: "%[5]s", tls: %[6]s, mechanism: %[7]s, username: %[8]s@provider.test, password: file:%[1]s.password, ca_file: provider/tls/ca.pem}
    to: %[8]s@provider.test
    mailbox: inbox
controls:
  - {name: control-1, tls: "%[10]s"}
  - {name: control-2, tls: "%[11]s"}
  - {name: control-3, tls: "%[12]s"}
log: {format: text}
`, name, c.state(t, name), c.http(name), imap, smtp, tls, mechanism, user, service, controls[0], controls[1], controls[2]))
}

func (c *cluster) writeCoordinator(t *testing.T, name string, i int) {
	t.Helper()
	c.write(t, name+".routing", routingKey+"\n")
	c.write(t, name+".yaml", fmt.Sprintf(`node: %[1]s
roster: roster.yaml
key: file:%[1]s.key
state: %[2]s
http: {listen: "%[3]s"}
pagerduty:
  routing_key: file:%[1]s.routing
  url: http://%[4]s
log: {format: text}
`, name, c.state(t, name), c.http(name), c.http("standin")))
}

// state makes the directory of a node's journal.
func (c *cluster) state(t *testing.T, node string) string {
	t.Helper()
	dir := c.file(node + ".state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}
