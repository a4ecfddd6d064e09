package mesh

import (
	"errors"
	"net"
	"sync/atomic"
)

var errTooMuch = errors.New("more bytes than allowed")

// bounded is a connection that yields only so many bytes.
type bounded struct {
	net.Conn
	left  atomic.Int64
	freed atomic.Bool
}

func newBounded(c net.Conn, n int64) *bounded {
	b := &bounded{Conn: c}
	b.left.Store(n)
	return b
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.freed.Load() {
		return b.Conn.Read(p)
	}
	left := b.left.Load()
	if left <= 0 {
		return 0, errTooMuch
	}
	n, err := b.Conn.Read(p[:min(int64(len(p)), left)])
	b.left.Add(int64(-n))
	return n, err
}

// refill sets how many bytes may still be read.
func (b *bounded) refill(n int64) { b.left.Store(n) }

// free lifts the bound.
func (b *bounded) free() { b.freed.Store(true) }
