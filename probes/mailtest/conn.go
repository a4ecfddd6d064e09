package mailtest

import (
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// conn is one end of an in-memory connection. It behaves as a *net.TCPConn
// does: buffered, with working deadlines, errors of type *net.OpError.
type conn struct {
	local, remote *net.TCPAddr
	r, w          *half
	closed        atomic.Bool
	onClose       func()
}

// Pipe returns the two ends of a buffered in-memory connection that belongs to
// no Network. Unlike net.Pipe, a Write does not wait for the peer's Read (until
// 1 MiB is on the way), so that a failing TLS handshake cannot deadlock.
func Pipe() (net.Conn, net.Conn) {
	a, b := newPair(0)
	a.local, a.remote = hostAddr(1, 40000), hostAddr(2, 25)
	b.local, b.remote = a.remote, a.local
	return a, b
}

func newPair(delay time.Duration) (a, b *conn) {
	x, y := newHalf(delay), newHalf(delay)
	return &conn{r: x, w: y}, &conn{r: y, w: x}
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.r.recv(b)
	return n, c.opError("read", err)
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.w.send(b)
	return n, c.opError("write", err)
}

// Close ends both directions. What was written before still arrives.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return c.opError("close", net.ErrClosed)
	}
	c.r.closeRead()
	c.w.closeWrite()
	if c.onClose != nil {
		c.onClose()
	}
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error {
	return c.setDeadline(c.r, &c.r.read, t)
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(c.w, &c.w.write, t)
}

func (c *conn) setDeadline(h *half, d *deadline, t time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.closed.Load() {
		return c.opError("set", net.ErrClosed)
	}
	d.set(t, h.wake)
	h.change.Broadcast()
	return nil
}

func (c *conn) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// timeout is the error of a dial that nobody answered.
type timeout struct{ cause error }

func (timeout) Error() string        { return "i/o timeout" }
func (timeout) Timeout() bool        { return true }
func (timeout) Temporary() bool      { return true }
func (t timeout) Unwrap() error      { return t.cause }
func (timeout) Is(target error) bool { return target == os.ErrDeadlineExceeded }
