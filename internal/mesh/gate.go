package mesh

import (
	"context"
	"net"
	"sync"
	"time"
)

// gate bounds unfinished handshakes. When there are too many, the oldest of the
// source with most of them is closed to make room: at once for a source with
// fewer, and otherwise once it has had a second, enough for a peer anywhere. So
// silent callers hold up no one for long, and a flood of them is taken at no more
// than maxUnfinished a second.
type gate struct {
	mu    sync.Mutex
	open  []guest // oldest first
	freed chan struct{}
}

const handshakeGrace = time.Second

type guest struct {
	host  string
	conn  net.Conn
	since time.Time
}

func newGate() *gate { return &gate{freed: make(chan struct{}, 1)} }

// enter waits until there is room for a connection, and returns what to call once
// its handshake is over. It returns nil when ctx ends first.
func (g *gate) enter(ctx context.Context, conn net.Conn) (leave func()) {
	host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
	if err != nil {
		host = conn.RemoteAddr().String()
	}
	for {
		wait := g.admit(host, conn)
		if wait <= 0 {
			return func() { g.leave(conn) }
		}
		select {
		case <-time.After(wait):
		case <-g.freed:
		case <-ctx.Done():
			return nil
		}
	}
}

// admit returns how long to wait before asking again; 0: the connection is in.
func (g *gate) admit(host string, conn net.Conn) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.open) >= maxUnfinished {
		i, most := g.oldest()
		age := time.Since(g.open[i].since)
		if age < handshakeGrace && most <= g.from(host)+1 {
			return handshakeGrace - age
		}
		g.open[i].conn.Close()
		g.open = append(g.open[:i], g.open[i+1:]...)
	}
	g.open = append(g.open, guest{host, conn, time.Now()})
	return 0
}

func (g *gate) leave(conn net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.open {
		if g.open[i].conn == conn {
			g.open = append(g.open[:i], g.open[i+1:]...)
			break
		}
	}
	select {
	case g.freed <- struct{}{}:
	default:
	}
}

// oldest returns the place of the oldest guest of the host that has most, and
// how many that host has.
func (g *gate) oldest() (place, most int) {
	for i := len(g.open) - 1; i >= 0; i-- {
		if n := g.from(g.open[i].host); n >= most {
			place, most = i, n
		}
	}
	return place, most
}

func (g *gate) from(host string) int {
	n := 0
	for _, o := range g.open {
		if o.host == host {
			n++
		}
	}
	return n
}
