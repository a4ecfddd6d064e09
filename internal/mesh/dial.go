package mesh

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync/atomic"
)

// dial opens a connection, and waits until the peer has accepted this node: in
// TLS 1.3 the client is done before the server has looked at its certificate.
func (l *link) dial() (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(l.m.ctx, handshakeTimeout)
	defer cancel()
	conn, err := l.m.dial(ctx, l.p, protoFrames)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.NetConn().Close() })
	_, err = readFrame(conn)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.NetConn().Close()
		return nil, fmt.Errorf("waiting for %s to accept: %w", l.p.Name, err)
	}
	return conn, nil
}

// dial opens a TLS connection to a peer and shakes hands.
func (m *Mesh) dial(ctx context.Context, p *peer, proto string) (*tls.Conn, error) {
	raw, err := m.cfg.Dial(ctx, "tcp", p.Address)
	if err != nil {
		return nil, fmt.Errorf("dialling %s: %w", p.Name, err)
	}
	conn := tls.Client(raw, m.clientTLS(p, proto))
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		m.count.refused.Add(1)
		return nil, fmt.Errorf("shaking hands with %s: %w", p.Name, err)
	}
	return conn, nil
}

// counted counts the bytes written.
type counted struct {
	net.Conn
	n *atomic.Uint64
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.n.Add(uint64(n))
	return n, err
}
