package mesh

import (
	"net"
	"testing"
	"time"
)

// Real time and real sockets: IPv4, a host name, IPv6.
func TestRealTCP(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		c := newCluster(t, 3, 0)
		listeners := map[string]net.Listener{}
		for i := range c.peers {
			l, err := net.Listen("tcp", address)
			if err != nil {
				t.Logf("%s: %v", address, err)
				break
			}
			listeners[c.peers[i].Name] = l
			c.peers[i].Address = l.Addr().String()
			if i == 1 && address == "127.0.0.1:0" { // a host name
				_, port, _ := net.SplitHostPort(l.Addr().String())
				c.peers[i].Address = net.JoinHostPort("localhost", port)
			}
		}
		if len(listeners) < 3 {
			continue // this machine has no such protocol
		}
		for _, p := range c.peers {
			n := &node{name: p.Name, have: map[string]bool{}}
			cfg := c.config(p.Name, n, listeners[p.Name])
			cfg.Dial = nil
			m, err := Start(cfg)
			if err != nil {
				t.Fatal(err)
			}
			n.Mesh, c.nodes[p.Name] = m, n
		}
		c.within(30*time.Second, "three members everywhere", func() bool { return c.whole(3) })
		c.nodes["a"].say("hello")
		c.within(30*time.Second, "hello everywhere", func() bool { return c.all("hello") })
		for _, n := range c.nodes {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
			if err := n.Close(); err != nil {
				t.Error("twice:", err)
			}
		}
	}
}
