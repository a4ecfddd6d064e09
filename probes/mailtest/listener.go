package mailtest

import (
	"net"
	"sync"
)

// listener hands the connections of a Network to whoever accepts them.
type listener struct {
	network *Network
	key     string
	addr    *net.TCPAddr

	mu      sync.Mutex
	change  sync.Cond
	backlog []*conn
	closed  bool
}

// offer queues a new connection; the network's lock is held.
func (l *listener) offer(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.backlog = append(l.backlog, c)
	l.change.Signal()
}

// Accept waits for a connection, or returns net.ErrClosed after Close.
func (l *listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed && len(l.backlog) == 0 {
		l.change.Wait()
	}
	if l.closed {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
	}
	c := l.backlog[0]
	l.backlog = l.backlog[1:]
	return c, nil
}

// Close stops listening, and closes what nobody has accepted yet.
func (l *listener) Close() error {
	l.network.mu.Lock()
	if l.network.listeners[l.key] == l {
		delete(l.network.listeners, l.key)
	}
	l.network.mu.Unlock()

	l.mu.Lock()
	waiting, was := l.backlog, l.closed
	l.backlog, l.closed = nil, true
	l.change.Broadcast()
	l.mu.Unlock()
	for _, c := range waiting {
		c.Close()
	}
	if was {
		return &net.OpError{Op: "close", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
	}
	return nil
}

// Addr is the listener's *net.TCPAddr; Network.Dial takes it too.
func (l *listener) Addr() net.Addr { return l.addr }
