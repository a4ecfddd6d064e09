//go:build integration

package integration

import (
	"io"
	"net"
	"sync"
	"testing"
)

// proxy passes TCP connections on to an address, until it is cut.
type proxy struct {
	to    string
	l     net.Listener
	mu    sync.Mutex
	isCut bool
	open  map[net.Conn]bool
}

func startProxy(t testing.TB, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{to: to, l: l, open: map[net.Conn]bool{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			wg.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.cut(true)
		wg.Wait()
	})
	return p
}

// address is the proxy's, under the name in the provider's certificate.
func (p *proxy) address() string {
	_, port, _ := net.SplitHostPort(p.l.Addr().String())
	return net.JoinHostPort("localhost", port)
}

// cut cuts all connections, and each new one as soon as it is made; or lets
// them be again.
func (p *proxy) cut(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.isCut = yes
	if yes {
		for conn := range p.open {
			conn.Close()
		}
	}
}

// keep remembers a connection, or closes it while the proxy is cut.
func (p *proxy) keep(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isCut {
		conn.Close()
		return false
	}
	p.open[conn] = true
	return true
}

func (p *proxy) serve(near net.Conn) {
	if !p.keep(near) {
		return
	}
	defer p.drop(near)
	far, err := net.Dial("tcp", p.to)
	if err != nil || !p.keep(far) {
		return
	}
	defer p.drop(far)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(far, near) // ends with either connection
		far.Close()
	}()
	_, _ = io.Copy(near, far)
	near.Close()
	<-done
}

func (p *proxy) drop(conn net.Conn) {
	conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
}
