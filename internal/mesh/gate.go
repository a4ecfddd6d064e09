package mesh

import (
	"net"
	"sync"
)

// gate bounds unfinished handshakes. When there are too many, the oldest of the
// source with most of them is closed: a flood ends itself, not the peers.
type gate struct {
	mu   sync.Mutex
	open []guest // oldest first
}

type guest struct {
	host string
	conn net.Conn
}

// enter admits a connection and returns what to call once its handshake is over.
func (g *gate) enter(conn net.Conn) (leave func()) {
	host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
	if err != nil {
		host = conn.RemoteAddr().String()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.open) >= maxUnfinished {
		g.remove(g.oldest()).Close()
	}
	g.open = append(g.open, guest{host, conn})
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		for i := range g.open {
			if g.open[i].conn == conn {
				g.remove(i)
				return
			}
		}
	}
}

// oldest returns the place of the oldest guest of the host that has most.
func (g *gate) oldest() int {
	first, n, best := map[string]int{}, map[string]int{}, 0
	for i, o := range g.open {
		if _, ok := first[o.host]; !ok {
			first[o.host] = i
		}
		n[o.host]++
	}
	for i, o := range g.open {
		if n[o.host] > n[g.open[best].host] {
			best = i
		}
	}
	return first[g.open[best].host]
}

func (g *gate) remove(i int) net.Conn {
	conn := g.open[i].conn
	g.open = append(g.open[:i], g.open[i+1:]...)
	return conn
}
