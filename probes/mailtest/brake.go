package mailtest

import (
	"net"
	"sync"
)

// brake freezes the server's side of all connections of a protocol, as a
// SIGSTOP of the server's processes would.
type brake struct {
	mu   sync.Mutex
	thaw chan struct{} // nil: running; closed when running again
}

func (b *brake) set(frozen bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case frozen && b.thaw == nil:
		b.thaw = make(chan struct{})
	case !frozen && b.thaw != nil:
		close(b.thaw)
		b.thaw = nil
	}
}

// frozen returns the channel that is closed on thawing, nil when running.
func (b *brake) frozen() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.thaw
}

// wait blocks while frozen, or until dead is closed.
func (b *brake) wait(dead <-chan struct{}) error {
	for thaw := b.frozen(); thaw != nil; thaw = b.frozen() {
		select {
		case <-thaw:
		case <-dead:
			return net.ErrClosed
		}
	}
	return nil
}

// gateConn is the server's side of a connection to the provider. While the
// brake is on, the server reads nothing, and what it writes is held back: its
// writes must not block, since it may hold a mailbox's lock.
type gateConn struct {
	net.Conn
	gate *gate
	dead chan struct{} // closed by kill
	once sync.Once
	left sync.Once // the server is through with it

	mu   sync.Mutex
	held []byte
}

func (c *gateConn) Read(b []byte) (int, error) {
	if err := c.gate.brake.wait(c.dead); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(b)
	if stop := c.gate.brake.wait(c.dead); stop != nil {
		return 0, stop
	}
	return n, err
}

func (c *gateConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil && c.gate.brake.frozen() == nil {
		return c.Conn.Write(b)
	}
	if c.held == nil {
		c.gate.running.Go(c.flush)
	}
	c.held = append(c.held, b...)
	return len(b), nil
}

// flush sends what was held back, once the server runs again.
func (c *gateConn) flush() {
	if c.gate.brake.wait(c.dead) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Conn.Write(c.held) // a failure shows in the server's next Read
	c.held = nil
}

// kill breaks the connection under the server.
func (c *gateConn) kill() {
	c.once.Do(func() {
		close(c.dead)
		c.Conn.Close()
	})
}

// Close is called by the server, last of all.
func (c *gateConn) Close() error {
	c.kill()
	c.left.Do(func() { c.gate.leave(c) })
	return nil
}
