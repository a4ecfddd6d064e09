package mesh

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// memnet is a network in memory: hosts by name, buffered connections with a
// delay, and cuts that hold bytes back as a broken path does under TCP.
type memnet struct {
	mu        sync.Mutex
	delay     time.Duration
	listeners map[string]*memListener
	cut       map[[2]string]bool
	slow      map[string]time.Duration // added to what goes to or from a host
	healed    chan struct{}            // closed and replaced when a cut changes
}

func newMemnet(delay time.Duration) *memnet {
	return &memnet{delay: delay, listeners: map[string]*memListener{}, cut: map[[2]string]bool{}, slow: map[string]time.Duration{}, healed: make(chan struct{})}
}

func (n *memnet) setCut(a, b string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[[2]string{a, b}], n.cut[[2]string{b, a}] = cut, cut
	close(n.healed)
	n.healed = make(chan struct{})
}

func (n *memnet) setSlow(host string, by time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.slow[host] = by
}

func (n *memnet) arrival(from, to string) time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Now().Add(n.delay + n.slow[from] + n.slow[to])
}

// open waits until a and b can reach each other, or done is closed.
func (n *memnet) open(a, b string, done <-chan struct{}) bool {
	for {
		n.mu.Lock()
		cut, healed := n.cut[[2]string{a, b}], n.healed
		n.mu.Unlock()
		if !cut {
			return true
		}
		select {
		case <-healed:
		case <-done:
			return false
		}
	}
}

func (n *memnet) listen(address string) *memListener {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &memListener{n: n, address: address, conns: make(chan net.Conn, 256), done: make(chan struct{})}
	n.listeners[address] = l
	return l
}

func (n *memnet) dial(from string, resolve func(address string) string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		if resolve != nil {
			address = resolve(address)
		}
		host, _, _ := net.SplitHostPort(address)
		if !n.open(from, host, ctx.Done()) {
			return nil, ctx.Err()
		}
		select {
		case <-time.After(n.delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		n.mu.Lock()
		l := n.listeners[address]
		n.mu.Unlock()
		if l == nil {
			return nil, errors.New("memnet: refused")
		}
		a, b := newHalf(n, from, host), newHalf(n, host, from)
		client := &memConn{r: b, w: a, local: memAddr(from + ":40000"), remote: memAddr(address)}
		server := &memConn{r: a, w: b, local: memAddr(address), remote: memAddr(from + ":40000")}
		select {
		case <-l.done:
			return nil, errors.New("memnet: refused")
		case l.conns <- server:
			return client, nil
		}
	}
}

type memAddr string

func (a memAddr) Network() string { return "tcp" }
func (a memAddr) String() string  { return string(a) }

type memListener struct {
	n       *memnet
	address string
	conns   chan net.Conn
	done    chan struct{}
	once    sync.Once
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.n.mu.Lock()
		if l.n.listeners[l.address] == l {
			delete(l.n.listeners, l.address)
		}
		l.n.mu.Unlock()
		for {
			select {
			case c := <-l.conns:
				c.Close()
			default:
				return
			}
		}
	})
	return nil
}
func (l *memListener) Addr() net.Addr { return memAddr(l.address) }

// half is one direction of a connection. What is written can be read a delay
// later, while the path is not cut. An end closed says so in the same way.
type half struct {
	n        *memnet
	from, to string
	mu       sync.Mutex
	segments []segment
	eof      bool // the writer has closed
	gone     bool // the reader has closed
	deadline time.Time
	wake     chan struct{}
}

type segment struct {
	at time.Time
	b  []byte // nil: end
}

func newHalf(n *memnet, from, to string) *half {
	return &half{n: n, from: from, to: to, wake: make(chan struct{})}
}

func (h *half) kick() { close(h.wake); h.wake = make(chan struct{}) }

func (h *half) write(b []byte) (int, error) {
	at := h.n.arrival(h.from, h.to)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.eof || h.gone {
		return 0, io.ErrClosedPipe
	}
	h.segments = append(h.segments, segment{at, append([]byte{}, b...)})
	h.kick()
	return len(b), nil
}

func (h *half) read(b []byte) (int, error) {
	for {
		h.n.mu.Lock()
		cut, healed := h.n.cut[[2]string{h.from, h.to}], h.n.healed
		h.n.mu.Unlock()
		h.mu.Lock()
		if h.gone {
			h.mu.Unlock()
			return 0, net.ErrClosed
		}
		if !h.deadline.IsZero() && !time.Now().Before(h.deadline) {
			h.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		}
		var soon time.Duration = -1
		if len(h.segments) > 0 && !cut {
			s := &h.segments[0]
			if soon = time.Until(s.at); soon <= 0 {
				if s.b == nil {
					h.mu.Unlock()
					return 0, io.EOF
				}
				k := copy(b, s.b)
				if s.b = s.b[k:]; len(s.b) == 0 {
					h.segments = h.segments[1:]
				}
				h.mu.Unlock()
				return k, nil
			}
		}
		if !h.deadline.IsZero() && (soon < 0 || time.Until(h.deadline) < soon) {
			soon = time.Until(h.deadline)
		}
		wake := h.wake
		h.mu.Unlock()
		var timer <-chan time.Time
		if soon >= 0 {
			t := time.NewTimer(soon)
			defer t.Stop()
			timer = t.C
		}
		select {
		case <-wake:
		case <-healed:
		case <-timer:
		}
	}
}

func (h *half) end() {
	at := h.n.arrival(h.from, h.to)
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.eof {
		h.eof = true
		h.segments = append(h.segments, segment{at, nil})
		h.kick()
	}
}

func (h *half) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gone = true
	h.kick()
}

func (h *half) setDeadline(t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deadline = t
	h.kick()
}

type memConn struct {
	r, w          *half
	local, remote net.Addr
}

func (c *memConn) Read(b []byte) (int, error)         { return c.r.read(b) }
func (c *memConn) Write(b []byte) (int, error)        { return c.w.write(b) }
func (c *memConn) Close() error                       { c.r.stop(); c.w.end(); return nil }
func (c *memConn) LocalAddr() net.Addr                { return c.local }
func (c *memConn) RemoteAddr() net.Addr               { return c.remote }
func (c *memConn) SetDeadline(t time.Time) error      { c.r.setDeadline(t); return nil }
func (c *memConn) SetReadDeadline(t time.Time) error  { c.r.setDeadline(t); return nil }
func (c *memConn) SetWriteDeadline(t time.Time) error { return nil }
