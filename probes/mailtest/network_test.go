package mailtest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"mailquorum/probes/mailtest"
)

// TestPipeIsAConn runs the standard tests of a net.Conn.
func TestPipeIsAConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		a, b := mailtest.Pipe()
		return a, b, func() { a.Close(); b.Close() }, nil
	})
}

func connect(t *testing.T, n *mailtest.Network) (client, server net.Conn) {
	t.Helper()
	l, err := n.Listen("b.test:25")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = n.Dial("a.test")(t.Context(), "tcp", "b.test:25"); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func TestAddresses(t *testing.T) {
	n := mailtest.NewNetwork()
	client, server := connect(t, n)
	if got := server.RemoteAddr().(*net.TCPAddr).IP; !got.Equal(n.IP("a.test")) {
		t.Errorf("server sees %v, the client is %v", got, n.IP("a.test"))
	}
	if client.LocalAddr().String() != server.RemoteAddr().String() || client.RemoteAddr().String() != server.LocalAddr().String() {
		t.Error("the two ends disagree on their addresses")
	}
	l, err := n.Listen("b.test:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := n.Dial("a.test")(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal("dialling the listener's address:", err)
	}
	c.Close()
}

func TestDialErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := mailtest.NewNetwork()
		dial := n.Dial("a.test")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()

		_, err := dial(ctx, "tcp", "nobody.test:25")
		var dns *net.DNSError
		if !errors.As(err, &dns) || !dns.IsNotFound {
			t.Errorf("unknown host: %v", err)
		}
		n.IP("b.test")
		if _, err = dial(ctx, "tcp", "b.test:25"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("nobody listens: %v", err)
		}
		l, _ := n.Listen("b.test:25")
		if _, err := n.Listen("b.test:25"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("listening twice: %v", err)
		}
		n.Cut("b.test", "a.test", true)
		began := time.Now()
		_, err = dial(ctx, "tcp", "b.test:25")
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cut: %v", err)
		}
		if time.Since(began) != 10*time.Second {
			t.Errorf("cut: after %v", time.Since(began))
		}
		began = time.Now()
		if _, err = dial(t.Context(), "tcp", "b.test:25"); err == nil || time.Since(began) != 127*time.Second {
			t.Errorf("cut, no deadline: %v after %v", err, time.Since(began))
		}
		time.AfterFunc(time.Minute, func() { n.Cut("a.test", "b.test", false) })
		c, err := dial(t.Context(), "tcp", "b.test:25")
		if err != nil {
			t.Fatal("healed:", err)
		}
		l.Close() // nobody accepted
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("listener closed: %v", err)
		}
		c.Close()
		canceled, stop := context.WithCancel(t.Context())
		stop()
		if _, err = dial(canceled, "tcp", "b.test:25"); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
	})
}

// TestCutStallsAndHeals: what is written during a cut arrives after it, once,
// in order.
func TestCutStallsAndHeals(t *testing.T) {
	for name, set := range map[string]func(n *mailtest.Network, cut bool){
		"cut":     func(n *mailtest.Network, cut bool) { n.Cut("a.test", "b.test", cut) },
		"isolate": func(n *mailtest.Network, cut bool) { n.Isolate("b.test", cut) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := mailtest.NewNetwork()
				n.Delay("a.test", "b.test", 20*time.Millisecond)
				client, server := connect(t, n)
				client.Write([]byte("1"))
				time.Sleep(10 * time.Millisecond) // it is on its way
				set(n, true)
				client.Write([]byte("2"))
				server.SetReadDeadline(time.Now().Add(time.Minute))
				if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("during the cut: %v", err)
				}
				server.SetReadDeadline(time.Time{})
				client.Write([]byte("3"))
				client.Close()
				healed := time.Now()
				set(n, false)
				all, err := io.ReadAll(server)
				if string(all) != "123" || err != nil {
					t.Errorf("got %q, %v", all, err)
				}
				if took := time.Since(healed); took != 20*time.Millisecond {
					t.Errorf("arrived %v after healing", took)
				}
			})
		})
	}
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := mailtest.NewNetwork()
		n.Delay("a.test", "b.test", 30*time.Millisecond)
		began := time.Now()
		client, server := connect(t, n)
		if took := time.Since(began); took != 60*time.Millisecond {
			t.Errorf("connecting took %v, want a round trip", took)
		}
		for range 3 {
			began = time.Now()
			client.Write([]byte("ping"))
			io.ReadFull(server, make([]byte, 4))
			server.Write([]byte("pong"))
			io.ReadFull(client, make([]byte, 4))
			if took := time.Since(began); took != 60*time.Millisecond {
				t.Errorf("round trip took %v", took)
			}
		}
	})
}

func TestReset(t *testing.T) {
	n := mailtest.NewNetwork()
	client, server := connect(t, n)
	n.Reset("a.test")
	for _, c := range []net.Conn{client, server} {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read: %v", err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write: %v", err)
		}
	}
}

// TestFailedHandshake would deadlock over net.Pipe.
func TestFailedHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, err := mailtest.NewCA()
		if err != nil {
			t.Fatal(err)
		}
		other, _ := mailtest.NewCA()
		good, _ := ca.Leaf("b.test", "10.1.2.3")
		expired, _ := ca.Expired("b.test")
		for _, test := range []struct {
			name, host string
			cert       tls.Certificate
			ca         *mailtest.CA
			ok         bool
		}{
			{"good", "b.test", good, ca, true},
			{"good by address", "10.1.2.3", good, ca, true},
			{"expired", "b.test", expired, ca, false},
			{"another name", "c.test", good, ca, false},
			{"another CA", "b.test", good, other, false},
		} {
			a, b := mailtest.Pipe()
			done := make(chan struct{})
			go func() {
				tls.Server(b, &tls.Config{Certificates: []tls.Certificate{test.cert}}).Handshake()
				b.Close()
				close(done)
			}()
			err := tls.Client(a, &tls.Config{RootCAs: test.ca.Pool(), ServerName: test.host}).Handshake()
			if (err == nil) != test.ok {
				t.Errorf("%s: %v", test.name, err)
			}
			a.Close()
			<-done
		}
	})
}
