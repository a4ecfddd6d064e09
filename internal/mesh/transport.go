package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
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

// stream hands an incoming stream of a peer to memberlist, and waits until it is
// closed.
func (m *Mesh) stream(p *peer, conn *tls.Conn) {
	p.mu.Lock()
	p.streams++
	n := p.streams
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.streams--
		p.mu.Unlock()
	}()
	if n > maxStreams {
		m.count.dropped.Add(1)
		return
	}
	closed := make(chan struct{})
	select {
	case m.streams <- m.guard(conn, sync.OnceFunc(func() { close(closed) })):
		<-closed
	case <-m.ctx.Done():
	}
}

// guard makes a stream end when the mesh does, and tell when it is closed.
func (m *Mesh) guard(conn *tls.Conn, closed func()) net.Conn {
	stop := context.AfterFunc(m.ctx, func() { conn.NetConn().Close() })
	return &guarded{Conn: conn, closed: func() { stop(); closed() }}
}

type guarded struct {
	*tls.Conn
	closed func()
}

func (g *guarded) Close() error {
	defer g.closed()
	return g.Conn.Close()
}

// delegate is what memberlist asks: memberlist.Delegate and AliveDelegate.
type delegate struct{ m *Mesh }

func (d delegate) NodeMeta(int) []byte             { return nil }
func (d delegate) NotifyMsg([]byte)                { d.m.count.dropped.Add(1) } // messages have frames of their own
func (d delegate) GetBroadcasts(int, int) [][]byte { return nil }

func (d delegate) LocalState(bool) []byte { return packState(d.m.cfg.State()) }

func (d delegate) MergeRemoteState(b []byte, _ bool) {
	unpackState(b, func(msg []byte) { d.m.message(len(d.m.peers), msg) })
}

// NotifyAlive keeps the membership within the roster: known names, each under
// its own address, and of a version that all understand.
func (d delegate) NotifyAlive(n *memberlist.Node) error {
	if n.Name != d.m.cfg.Name && d.m.byAddr[virtualAddress(n.Name)] == nil {
		return errors.New("not in the roster")
	}
	if !n.Addr.Equal(virtualIP(n.Name)) || n.Port != virtualPort {
		return fmt.Errorf("not at its address: %s", n.Address())
	}
	if len(n.Meta) != 0 || n.PMin > memberlist.ProtocolVersion2Compatible || n.PMax < memberlist.ProtocolVersion2Compatible ||
		n.PCur != memberlist.ProtocolVersion2Compatible || n.DMin|n.DMax|n.DCur != 0 {
		return errors.New("of another version")
	}
	return nil
}
