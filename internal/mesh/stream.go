package mesh

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

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

// guard makes a stream end when the mesh does, tell when it is closed, and yield
// only what memberlist can take.
func (m *Mesh) guard(conn *tls.Conn, closed func()) net.Conn {
	stop := context.AfterFunc(m.ctx, func() { conn.NetConn().Close() })
	return &guarded{Conn: conn, nodes: 2*len(m.peers) + 16, closed: func() { stop(); closed() }}
}

type guarded struct {
	*tls.Conn
	nodes  int       // most entries of a membership
	in     io.Reader // once the beginning has been checked
	err    error
	closed func()
}

func (g *guarded) Close() error {
	defer g.closed()
	return g.Conn.Close()
}

// Read checks the beginning before it gives any of it away. memberlist reads a
// stream from one goroutine.
func (g *guarded) Read(b []byte) (int, error) {
	if g.in == nil && g.err == nil {
		var head []byte
		if head, g.err = g.check(); g.err == nil {
			g.in = io.MultiReader(bytes.NewReader(head), g.Conn)
		}
	}
	if g.err != nil {
		return 0, g.err
	}
	return g.in.Read(b)
}

var errStream = errors.New("not a stream of memberlist's")

// check reads the type of a stream's message and, of a push/pull, the header:
// memberlist reserves memory for as many nodes and bytes as are announced there,
// up to 100 MB. It returns what it has read.
func (g *guarded) check() ([]byte, error) {
	var kind [1]byte
	if _, err := io.ReadFull(g.Conn, kind[:]); err != nil {
		return nil, err
	}
	switch kind[0] {
	case mlPing, mlAck, mlError:
		return kind[:], nil
	case mlPushPull:
	default:
		return nil, errStream
	}
	head := bytes.NewBuffer(kind[:])
	var h struct { // memberlist's pushPullHeader
		Nodes, UserStateLen int
		Join                bool
	}
	r := io.TeeReader(io.LimitReader(g.Conn, 256), head)
	if err := codec.NewDecoder(r, &codec.MsgpackHandle{}).Decode(&h); err != nil {
		return nil, fmt.Errorf("%w: %v", errStream, err)
	}
	if h.Nodes < 0 || h.Nodes > g.nodes || h.UserStateLen < 0 || h.UserStateLen > maxState {
		return nil, fmt.Errorf("%w: %d nodes and %d bytes announced", errStream, h.Nodes, h.UserStateLen)
	}
	return head.Bytes(), nil
}
