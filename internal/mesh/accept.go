package mesh

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/hashicorp/memberlist"
)

// accept takes connections until the mesh closes.
func (m *Mesh) accept() {
	g, config := newGate(), m.serverTLS()
	for pause := time.Duration(0); ; {
		conn, err := m.cfg.Listener.Accept()
		if m.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			if err == nil {
				conn.Close()
			}
			return
		}
		if err != nil { // out of file descriptors, most likely: it passes
			pause = min(max(2*pause, 10*time.Millisecond), time.Second)
			m.cfg.Log.Warn("accepting a mesh connection", "error", err)
			select {
			case <-time.After(pause):
			case <-m.ctx.Done():
				return
			}
			continue
		}
		pause = 0
		leave := g.enter(m.ctx, conn)
		if leave == nil {
			conn.Close()
			return
		}
		m.wg.Go(func() { m.meet(conn, config, leave) })
	}
}

// meet shakes hands with whoever called, in bounded time and memory, and goes on
// only with a peer.
func (m *Mesh) meet(raw net.Conn, config *tls.Config, leave func()) {
	defer raw.Close()
	hello := newBounded(raw, maxHello)
	ctx, cancel := context.WithTimeout(m.ctx, handshakeTimeout)
	conn := tls.Server(hello, config)
	err := conn.HandshakeContext(ctx)
	cancel()
	leave()
	if err != nil {
		if m.ctx.Err() == nil {
			m.count.strangers.Add(1)
			m.cfg.Log.Debug("mesh connection refused", "from", raw.RemoteAddr(), "error", err)
		}
		return
	}
	p := m.peerOf(conn.ConnectionState())
	switch conn.ConnectionState().NegotiatedProtocol {
	case protoFrames:
		hello.free()
		m.hear(p, conn)
	case protoStream:
		hello.refill(maxStream)
		m.stream(p, conn)
	}
}

// hear reads the frames of one peer. A newer connection of the same peer ends an
// older one: the peer has dialled again because that one is of no use to it.
func (m *Mesh) hear(p *peer, conn *tls.Conn) {
	raw := conn.NetConn()
	stop := context.AfterFunc(m.ctx, func() { raw.Close() })
	defer stop()
	mine := func() { raw.Close() }
	p.mu.Lock()
	old := p.incoming
	p.incoming = mine
	p.mu.Unlock()
	if old != nil {
		old()
	}
	p.link.retry() // it lives: no need to wait
	answer := func(body []byte) error {
		raw.SetWriteDeadline(time.Now().Add(handshakeTimeout))
		return frame{kindEcho, body}.writeTo(conn)
	}
	if answer(nil) != nil {
		return
	}
	r := bufio.NewReaderSize(conn, 16<<10)
	for {
		raw.SetReadDeadline(time.Now().Add(m.deaf()))
		f, err := readFrame(r)
		if err != nil {
			return
		}
		m.count.framesIn.Add(1)
		m.count.bytesIn.Add(uint64(f.size()))
		switch f.kind {
		case kindPacket:
			m.packet(p, f.body)
		case kindMessage:
			if !p.affords(time.Now()) {
				m.count.dropped.Add(1)
				continue
			}
			m.message(p.lane, f.body)
		case kindAsk, kindTell:
			m.asked(p, f)
		case kindBeat:
			if answer(f.body) != nil {
				return
			}
		}
	}
}

// deaf is how long an incoming connection may be silent: several heartbeats of
// its other end, even when that is configured a little slower.
func (m *Mesh) deaf() time.Duration { return 4 * m.silence() }

// packet hands one packet to memberlist, as from its proven sender.
func (m *Mesh) packet(p *peer, b []byte) {
	if !sane(b) {
		m.count.dropped.Add(1)
		return
	}
	select {
	case m.packets <- &memberlist.Packet{Buf: b, From: virtualAddr(p.Name), Timestamp: time.Now()}:
	default:
		m.count.dropped.Add(1)
	}
}

// message queues a message for Receive.
func (m *Mesh) message(lane int, b []byte) {
	c := letter{identify(b), b, lane}
	if m.seen.has(c.id) {
		m.count.duplicates.Add(1)
		return
	}
	if !m.inbox.put(c) {
		m.count.dropped.Add(1)
	}
}

// hangUp closes the connection that p's frames come in on.
func (p *peer) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.incoming != nil {
		p.incoming()
	}
}
