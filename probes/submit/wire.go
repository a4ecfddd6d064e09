package submit

import (
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
}

func newWire(conn net.Conn, in io.Reader) *wire {
	return &wire{Conn: conn, in: io.MultiReader(strings.NewReader("220 greeted\r\n"), in)}
}

func (w *wire) Read(b []byte) (int, error) { return w.in.Read(b) }

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
