package guard_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"mailquorum/probes/guard"
	"mailquorum/probes/mailtest"
)

func TestBudget(t *testing.T) {
	a, b := mailtest.Pipe()
	defer b.Close()
	g := guard.New(a, guard.SMTPReply, time.Now().Add(time.Hour))
	step := guard.SMTPReply.Bytes()
	for range 3 { // exactly the budget, again and again
		g.Arm(guard.SMTPReply, time.Now().Add(time.Hour))
		b.Write(make([]byte, step))
		if _, err := io.ReadFull(g, make([]byte, step)); err != nil {
			t.Fatal(err)
		}
	}
	b.Write([]byte("x"))
	_, err := g.Read(make([]byte, 10))
	if !errors.Is(err, guard.ErrBytes) || err.Error() != "guard: SMTP reply: server sent more than the budget of 65536 bytes" {
		t.Errorf("got %v", err)
	}
	g.Arm(guard.SMTPReply, time.Now().Add(time.Hour))
	if _, again := g.Write([]byte("x")); again != err || g.Err() != err || g.Explain(io.EOF) != err {
		t.Errorf("a tripped guard came back: %v", again)
	}
}

// TestDeadlineHolds: whatever the library asks for, the guard's deadline stays.
func TestDeadlineHolds(t *testing.T) {
	for name, set := range map[string]func(*guard.Conn){
		"nothing": func(*guard.Conn) {},
		"clear":   func(g *guard.Conn) { g.SetDeadline(time.Time{}) },
		"extend": func(g *guard.Conn) {
			g.SetReadDeadline(time.Now().Add(time.Hour))
			g.SetWriteDeadline(time.Now().Add(time.Hour))
		},
	} {
		for _, op := range []string{"read", "write"} {
			t.Run(name+" "+op, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b := mailtest.Pipe()
					defer b.Close()
					g := guard.New(a, guard.SMTPReply, time.Now().Add(3*time.Second))
					began := time.Now()
					set(g)
					err := error(nil)
					for err == nil {
						if op == "read" {
							_, err = g.Read(make([]byte, 1))
						} else {
							_, err = g.Write(make([]byte, 1<<20)) // nobody reads
						}
					}
					var timeout net.Error
					if !errors.Is(err, guard.ErrDeadline) || !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
						t.Errorf("got %v", err)
					}
					if took := time.Since(began); took != 3*time.Second {
						t.Errorf("took %v", took)
					}
				})
			})
		}
	}
}

func TestLibraryDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mailtest.Pipe()
		defer b.Close()
		g := guard.New(a, guard.SMTPReply, time.Now().Add(time.Hour))
		g.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := g.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || g.Err() != nil {
			t.Errorf("got %v, tripped %v", err, g.Err())
		}
		g.SetReadDeadline(time.Time{})
		go func() {
			time.Sleep(time.Minute)
			g.Arm(guard.IMAPIdle, time.Now().Add(2*time.Hour)) // moves the deadline of a Read under way
			time.Sleep(time.Hour + 30*time.Minute)
			b.Write([]byte("x"))
		}()
		if _, err := g.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
	})
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mailtest.Pipe()
		defer b.Close()
		cause := errors.New("configuration reloaded")
		ctx, cancel := context.WithCancelCause(t.Context())
		g := guard.New(a, guard.SMTPReply, time.Now().Add(time.Hour))
		stop := g.Watch(ctx)
		defer stop()
		time.AfterFunc(time.Minute, func() { cancel(cause) })
		if _, err := g.Read(make([]byte, 1)); !errors.Is(err, guard.ErrContext) || !errors.Is(err, cause) {
			t.Errorf("got %v", err)
		}
	})
}

func TestNoDeadlineIsPast(t *testing.T) {
	a, b := mailtest.Pipe()
	defer b.Close()
	g := guard.New(a, guard.SMTPReply, time.Time{})
	if _, err := g.Read(make([]byte, 1)); !errors.Is(err, guard.ErrDeadline) {
		t.Errorf("got %v", err)
	}
}
