package mailtest

import (
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"sync"
)

// gate is a listener of the provider. It outlives the real listener below it,
// which is closed while the server is down, and knows its open connections.
type gate struct {
	listen  func(address string) (net.Listener, error)
	address string      // as configured, with the port that was picked
	tls     *tls.Config // nil: the connections start in clear
	brake   *brake
	running *sync.WaitGroup // an entry for each connection that the server holds

	mu     sync.Mutex
	change sync.Cond
	below  net.Listener // nil while down
	conns  map[*gateConn]struct{}
	closed bool
}

func openGate(listen func(string) (net.Listener, error), address string, cfg *tls.Config, b *brake, running *sync.WaitGroup) (*gate, error) {
	g := &gate{listen: listen, tls: cfg, brake: b, running: running, conns: map[*gateConn]struct{}{}}
	g.change.L = &g.mu
	l, err := listen(address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", address, err)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("listening on %s: %w", address, err)
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		port = strconv.Itoa(tcp.Port)
	}
	g.below, g.address = l, net.JoinHostPort(host, port)
	return g, nil
}

// Accept waits for a connection, through times in which the server is down.
func (g *gate) Accept() (net.Conn, error) {
	for {
		l, err := g.up()
		if err != nil {
			return nil, err
		}
		c, err := l.Accept()
		if err != nil {
			if g.current() != l {
				continue
			}
			return nil, err
		}
		if conn := g.adopt(l, c); conn != nil {
			return conn, nil
		}
	}
}

// up waits until there is a listener below.
func (g *gate) up() (net.Listener, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.below == nil && !g.closed {
		g.change.Wait()
	}
	if g.closed {
		return nil, net.ErrClosed
	}
	return g.below, nil
}

func (g *gate) current() net.Listener {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.below
}

// adopt takes a new connection on, unless the server went down meanwhile.
func (g *gate) adopt(l net.Listener, c net.Conn) net.Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.below != l {
		c.Close()
		return nil
	}
	conn := &gateConn{Conn: c, gate: g, dead: make(chan struct{})}
	g.conns[conn] = struct{}{}
	g.running.Add(1)
	if g.tls != nil {
		return tls.Server(conn, g.tls)
	}
	return conn
}

func (g *gate) leave(c *gateConn) {
	g.mu.Lock()
	delete(g.conns, c)
	g.mu.Unlock()
	g.running.Done()
}

// setDown closes the port and cuts open connections, or opens it again.
func (g *gate) setDown(down bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return net.ErrClosed
	case down && g.below != nil:
		g.below.Close()
		g.below = nil
		g.killLocked(func(*gateConn) bool { return true })
	case !down && g.below == nil:
		l, err := g.listen(g.address)
		if err != nil {
			return fmt.Errorf("listening on %s again: %w", g.address, err)
		}
		g.below = l
		g.change.Broadcast()
	}
	return nil
}

func (g *gate) killLocked(which func(*gateConn) bool) {
	for c := range g.conns {
		if which(c) {
			c.kill()
		}
	}
}

// Close ends Accept and breaks all connections; the server's goroutines are
// waited for through the wait group.
func (g *gate) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	if g.below != nil {
		g.below.Close()
		g.below = nil
	}
	g.killLocked(func(*gateConn) bool { return true })
	g.change.Broadcast()
	return nil
}

// Addr is the address below, or a placeholder while the server is down.
func (g *gate) Addr() net.Addr {
	if l := g.current(); l != nil {
		return l.Addr()
	}
	return &net.TCPAddr{}
}

// netConn finds the gate's connection below a TLS one.
func netConn(c net.Conn) *gateConn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	g, _ := c.(*gateConn)
	return g
}
