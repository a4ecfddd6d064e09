package guard

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is a guarded connection. Its methods may be called from several
// goroutines, as those of any net.Conn. In the way of data it adds a few atomic
// operations to each Read.
type Conn struct {
	net.Conn
	left atomic.Int64          // bytes that may still be read in this step
	trip atomic.Pointer[Error] // nil: all is well

	mu       sync.Mutex
	budget   Budget
	limit    time.Time // ours; never zero
	wantRead time.Time // what the library asked for; zero: no deadline
	wantSend time.Time
}

// New guards a connection and arms it for the first step.
func New(c net.Conn, b Budget, deadline time.Time) *Conn {
	g := &Conn{Conn: c}
	g.Arm(b, deadline)
	return g
}

// Arm begins a step of the dialogue: from now on the server may send what the
// budget allows, until the deadline. The zero time is long past. Arm does not
// revive a guard that has tripped.
func (g *Conn) Arm(b Budget, deadline time.Time) {
	if deadline.IsZero() {
		deadline = time.Unix(1, 0) // net.Conn takes the zero time for "no deadline"
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.budget, g.limit = b, deadline
	g.left.Store(b.Bytes())
	// a closed connection says so at the next Read or Write
	g.Conn.SetReadDeadline(earlier(g.wantRead, deadline))
	g.Conn.SetWriteDeadline(earlier(g.wantSend, deadline))
}

// earlier is the library's wish, where it is stricter than our limit.
func earlier(want, limit time.Time) time.Time {
	if want.IsZero() || want.After(limit) {
		return limit
	}
	return want
}

// Watch trips the guard when ctx ends. Call stop, as with context.AfterFunc,
// when the dialogue is over.
func (g *Conn) Watch(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		g.fail(&Error{Kind: ErrContext, Cause: context.Cause(ctx)})
	})
}

// Err is why the guard tripped, an *Error, or nil.
func (g *Conn) Err() error {
	if e := g.trip.Load(); e != nil {
		return e
	}
	return nil
}

// Explain returns the guard's error if it tripped, err otherwise. go-imap drops
// the chain of the errors that it meets: ask here before classifying one.
func (g *Conn) Explain(err error) error {
	if e := g.trip.Load(); e != nil && err != nil {
		return e
	}
	return err
}

// fail trips the guard, unless it has, and closes the connection.
func (g *Conn) fail(e *Error) error {
	if e.Budget == 0 {
		g.mu.Lock()
		e.Budget = g.budget
		g.mu.Unlock()
	}
	if g.trip.CompareAndSwap(nil, e) {
		g.Conn.Close()
	}
	return g.trip.Load()
}

// Read reads within the budget. The byte that exceeds it, and all that came
// with it, are dropped.
func (g *Conn) Read(b []byte) (int, error) {
	for {
		if e := g.trip.Load(); e != nil {
			return 0, e
		}
		if room := max(g.left.Load(), 0) + 1; int64(len(b)) > room {
			b = b[:room]
		}
		n, err := g.Conn.Read(b)
		if n > 0 && g.left.Add(-int64(n)) < 0 {
			return 0, g.fail(&Error{Kind: ErrBytes})
		}
		if err == nil || n > 0 {
			return n, err
		}
		if again, err := g.explain(err, &g.wantRead); !again {
			return 0, err
		}
	}
}

// Write writes until the deadline.
func (g *Conn) Write(b []byte) (sent int, err error) {
	for {
		if e := g.trip.Load(); e != nil {
			return sent, e
		}
		n, err := g.Conn.Write(b[sent:])
		sent += n
		if err == nil {
			return sent, nil
		}
		if again, err := g.explain(err, &g.wantSend); !again {
			return sent, err
		}
	}
}

// explain tells our deadline from the library's, and from one that Arm has
// moved while the connection was reporting it, which is no error.
func (g *Conn) explain(err error, want *time.Time) (again bool, _ error) {
	if e := g.trip.Load(); e != nil {
		return false, e
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false, err
	}
	now := time.Now()
	g.mu.Lock()
	ours, theirs := !now.Before(g.limit), !want.IsZero() && !now.Before(*want)
	g.mu.Unlock()
	if ours {
		return false, g.fail(&Error{Kind: ErrDeadline})
	}
	return !theirs, err
}

// SetDeadline sets both deadlines, within the guard's own.
func (g *Conn) SetDeadline(t time.Time) error {
	return errors.Join(g.SetReadDeadline(t), g.SetWriteDeadline(t))
}

// SetReadDeadline sets the read deadline, within the guard's own.
func (g *Conn) SetReadDeadline(t time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wantRead = t
	return g.Conn.SetReadDeadline(earlier(t, g.limit))
}

// SetWriteDeadline sets the write deadline, within the guard's own.
func (g *Conn) SetWriteDeadline(t time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wantSend = t
	return g.Conn.SetWriteDeadline(earlier(t, g.limit))
}
