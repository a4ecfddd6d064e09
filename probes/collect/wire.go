package collect

import (
	"bytes"
	"errors"
	"net"
	"sync"

	"mailquorum/probes"
	"mailquorum/probes/guard"
)

// wire is the connection as the IMAP library sees it: the guard checks what comes
// in, and wire remembers how it ended, for the library forgets it.
type wire struct {
	net.Conn
	guard   *guard.Conn
	release func() bool // from the context that guard watches

	mu    sync.Mutex
	ended error  // first error before the library closed it
	gone  bool   // the library closed it
	tail  []byte // the last bytes received
}

const tailSize = 512

// Read notes the first error, and the last words of the server.
func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	w.mu.Lock()
	defer w.mu.Unlock()
	if n > 0 {
		w.tail = append(w.tail, b[max(0, n-tailSize):n]...)
		w.tail = append(w.tail[:0], w.tail[max(0, len(w.tail)-tailSize):]...)
	}
	w.note(err)
	return n, err
}

// Write notes the first error.
func (w *wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note(err)
	return n, err
}

func (w *wire) note(err error) {
	if err != nil && w.ended == nil && !w.gone {
		w.ended = err
	}
}

// Close closes the connection. What fails from now on is its doing.
func (w *wire) Close() error {
	w.mu.Lock()
	w.gone = true
	w.mu.Unlock()
	return w.Conn.Close()
}

// story returns the text of a BYE if that was the last that the server said, and
// how the connection ended, nil while it is well.
func (w *wire) story() (bye string, ended error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := bytes.TrimRight(w.tail, "\r\n")
	line = line[bytes.LastIndexByte(line, '\n')+1:]
	if len(line) > 5 && bytes.EqualFold(line[:5], []byte("* BYE")) {
		bye = probes.Clean(string(bytes.TrimSpace(line[5:])))
	}
	return bye, w.guard.Explain(w.ended)
}

// said returns the last words of the server, safe to print.
func (w *wire) said() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return probes.Clean(string(bytes.TrimSpace(w.tail)))
}

// hostile reports whether err is the guard's judgement of what a server sent.
func hostile(err error) bool {
	return errors.Is(err, guard.ErrBytes) || errors.Is(err, guard.ErrLine) ||
		errors.Is(err, guard.ErrLiteral) || errors.Is(err, guard.ErrResponse)
}
