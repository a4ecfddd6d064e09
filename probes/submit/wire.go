package submit

import (
	"fmt"
	"io"
	"net"
	"strings"
)

// wire is the connection as go-smtp's client sees it: the greeting, which has
// been read already, is shown once more, a failed write is remembered, and the
// "*" that the library sends after every refused AUTH, even where the exchange is
// over (RFC 4954 section 4), is answered here: it would cost one more round trip,
// and the server would count it as one more error.
type wire struct {
	net.Conn
	in    io.Reader
	wrote error // the first write that failed
	read  error // the first read that failed
	last  byte  // the last byte read
}

func newWire(conn net.Conn, in io.Reader) *wire {
	return &wire{Conn: conn, in: io.MultiReader(strings.NewReader("220 greeted\r\n"), in)}
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.in.Read(b)
	if n > 0 {
		w.last = b[n-1]
	}
	if err != nil && w.read == nil {
		w.read = err
	}
	return n, err
}

// whole returns err, or why the reply that it comes of was cut short. The library
// takes the beginning of a line for a line when the connection ends there: "250 ok"
// may have been on its way to become anything.
func (w *wire) whole(err error) error {
	if w.read != nil && w.last != '\n' {
		return fmt.Errorf("the reply was cut short: %w", w.read)
	}
	return err
}

func (w *wire) Write(b []byte) (int, error) {
	if string(b) == "*\r\n" {
		w.in = io.MultiReader(strings.NewReader("501 aborted\r\n"), w.in)
		return len(b), nil
	}
	n, err := w.Conn.Write(b)
	if err != nil && w.wrote == nil {
		w.wrote = err
	}
	return n, err
}
