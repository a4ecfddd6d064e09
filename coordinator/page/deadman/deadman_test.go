package deadman

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mailquorum/coordinator/page/post"
	"mailquorum/internal/secret"
)

type anywhere struct{}

func (anywhere) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

// inMemory is a network of one server.
type inMemory struct {
	conns chan net.Conn
	down  atomic.Bool
	done  chan struct{}
}

func (m *inMemory) dial(context.Context, string, string) (net.Conn, error) {
	if m.down.Load() {
		return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
	}
	a, b := net.Pipe()
	m.conns <- b
	return a, nil
}

func (m *inMemory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.done:
		return nil, net.ErrClosed
	}
}
func (m *inMemory) Close() error   { close(m.done); return nil }
func (m *inMemory) Addr() net.Addr { return &net.TCPAddr{} }

func TestPingsOnlyWhileWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &inMemory{conns: make(chan net.Conn), done: make(chan struct{})}
		var mu sync.Mutex // guards all that follows
		pings := 0
		srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { mu.Lock(); pings++; mu.Unlock() })}
		go func() { _ = srv.Serve(network) }()
		var ill error
		var results []string
		var log bytes.Buffer
		p, err := New(Config{
			Post: post.Config{URL: secret.New("http://switch.example/MARKER"), Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Resolver: anywhere{}, Dial: network.dial},
			Well: func() error { mu.Lock(); defer mu.Unlock(); return ill }, Observe: func(r string) { mu.Lock(); results = append(results, r); mu.Unlock() }, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); p.Run(ctx) }()
		time.Sleep(150 * time.Second) // pings at 0, 60 and 120 s
		mu.Lock()
		ill = errors.New("only 2 of 5 regions are fresh")
		mu.Unlock()
		time.Sleep(2 * time.Minute)
		mu.Lock()
		ill = nil
		mu.Unlock()
		network.down.Store(true)
		srv.Close()
		time.Sleep(2 * time.Minute)
		cancel()
		<-done
		if pings != 3 {
			t.Errorf("%d pings, want 3", pings)
		}
		if want := []string{"sent", "sent", "sent", "withheld", "withheld", "failed", "failed"}; !slices.Equal(results, want) {
			t.Errorf("%v, want %v", results, want)
		}
		if n := strings.Count(log.String(), "not pinged"); n != 2 || strings.Contains(log.String(), "MARKER") {
			t.Errorf("logged %d times:\n%s", n, &log)
		}
	})
}

func TestConfigurationIsChecked(t *testing.T) {
	if _, err := New(Config{Post: post.Config{URL: secret.New("http://x.example")}}); err == nil {
		t.Error("accepted http")
	}
}
