package mesh

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/hashicorp/memberlist"
)

// transport is what memberlist speaks through: memberlist.NodeAwareTransport.
type transport struct{ m *Mesh }

var (
	errUnknown = errors.New("no such node")
	errDown    = errors.New("not connected")
)

func (t transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return virtualIP(t.m.cfg.Name), virtualPort, nil
}

// WriteTo never blocks. An error must be a *net.OpError of "udp": memberlist
// never suspects a peer for whom writing fails in any other way.
func (t transport) WriteTo(b []byte, addr string) (time.Time, error) {
	now := time.Now()
	p := t.m.byAddr[addr]
	if p == nil {
		return now, &net.OpError{Op: "write", Net: "udp", Err: errUnknown}
	}
	if !p.link.send(frame{kindPacket, b}) {
		return now, &net.OpError{Op: "write", Net: "udp", Err: errDown}
	}
	return now, nil
}

func (t transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	return t.WriteTo(b, a.Addr)
}

func (t transport) PacketCh() <-chan *memberlist.Packet { return t.m.packets }

func (t transport) StreamCh() <-chan net.Conn { return t.m.streams }

func (t transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	p := t.m.byAddr[addr]
	if p == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errUnknown}
	}
	ctx, cancel := context.WithTimeout(t.m.ctx, min(timeout, handshakeTimeout))
	defer cancel()
	conn, err := t.m.dial(ctx, p, protoStream)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	return t.m.guard(conn, func() {}), nil
}

func (t transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return t.DialTimeout(a.Addr, timeout)
}

// Shutdown has nothing left to do: Close ends the transport before memberlist.
func (t transport) Shutdown() error { return nil }
