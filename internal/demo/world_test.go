package demo

import (
	"maps"
	"net"
	"testing"
	"time"

	"mailquorum/probes/mailtest"
)

// The provider's ports were opened at another number when they came back, where
// no agent looked: the demonstration never recovered.
func TestProviderComesBackAtItsOldAddress(t *testing.T) {
	for name, f := range map[string]Fabric{"loopback": NewLoopback(), "memory": Memory{mailtest.NewNetwork()}} {
		t.Run(name, func(t *testing.T) {
			w := &World{opt: Options{Fabric: f, Transit: time.Millisecond, Log: quietLog()}, address: map[string]string{}}
			if err := w.startProvider(); err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			dial, before := f.Dial("agent"), maps.Clone(w.address)
			for _, set := range []func(bool) error{w.Provider.SMTPDown, w.Provider.IMAPDown} {
				if err := set(true); err != nil {
					t.Fatal(err)
				}
				if err := set(false); err != nil {
					t.Fatal(err)
				}
			}
			for _, address := range []string{before[smtps], before[imaps]} {
				c, err := dial(t.Context(), "tcp", address)
				if err != nil {
					t.Errorf("%s: %v", address, err)
					continue
				}
				c.Close()
			}
			if len(w.address) != 2 {
				t.Errorf("addresses %v, want two", w.address)
			}
		})
	}
}

// A cable that is pulled ends what was open and lets nothing new through.
func TestLoopbackCable(t *testing.T) {
	f := NewLoopback()
	l, err := f.Listen("server", "")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 4)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := f.Dial("client")
	if _, err := dial(t.Context(), "tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	s := <-accepted
	f.Isolate("client", true)
	if _, err := s.Read(make([]byte, 1)); err == nil {
		t.Error("the other end of a pulled cable can still be read")
	}
	if _, err := dial(t.Context(), "tcp", l.Addr().String()); err == nil {
		t.Error("a host without cable can dial")
	}
	f.Isolate("client", false)
	c, err := dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
