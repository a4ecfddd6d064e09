package collect

import (
	"bufio"
	"errors"
	"io"
	"net"
	"time"
)

var errBudget = errors.New("guard: more bytes than asked for")

// guardConn bounds what a server may send and how long it may take.
type guardConn struct {
	net.Conn
	left     int64
	deadline time.Time
}

// guarded puts a guard around a connection that is about to be read by a library.
func guarded(conn net.Conn, bytes int64, d time.Duration) *guardConn {
	g := &guardConn{Conn: conn}
	g.arm(bytes, d)
	return g
}

// arm grants the next exchange so many bytes and so much time.
func (g *guardConn) arm(bytes int64, d time.Duration) { g.left = bytes }

func (g *guardConn) Read(b []byte) (int, error) {
	if g.left <= 0 {
		return 0, errBudget
	}
	n, err := g.Conn.Read(b[:min(int64(len(b)), g.left)])
	g.left -= int64(n)
	return n, err
}

// guardStopped reports whether err is the guard's judgement of the server.
func guardStopped(err error) bool {
	return errors.Is(err, errBudget) || errors.Is(err, bufio.ErrBufferFull) || errors.Is(err, io.ErrShortBuffer)
}
