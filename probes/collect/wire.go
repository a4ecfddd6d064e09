package collect

import (
	"bytes"
	"net"
	"sync"
	"time"

	"mailquorum/probes"
)

// wire is the connection as the IMAP library sees it. The library neither keeps
// the errors of its connection nor bounds the wait for an answer: wire does both.
type wire struct {
	net.Conn

	mu    sync.Mutex
	cause error  // why we closed it
	ended error  // first error of the connection itself
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
	if err != nil && w.ended == nil && w.cause == nil {
		w.ended = err
	}
}

// abort closes the connection, which frees whoever waits for it.
func (w *wire) abort(cause error) {
	w.mu.Lock()
	if w.cause == nil && w.ended == nil {
		w.cause = cause
	}
	w.mu.Unlock()
	w.Conn.Close()
}

// story returns why we closed the connection, else how it ended by itself, and
// the text of a BYE if that was the last that the server said.
func (w *wire) story() (cause, ended error, bye string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := bytes.TrimRight(w.tail, "\r\n")
	line = line[bytes.LastIndexByte(line, '\n')+1:]
	if len(line) > 5 && bytes.EqualFold(line[:5], []byte("* BYE")) {
		bye = probes.Clean(string(bytes.TrimSpace(line[5:])))
	}
	return w.cause, w.ended, bye
}

// watch aborts the connection unless the returned function is called in time.
func (w *wire) watch(d time.Duration) (done func() bool) {
	t := time.AfterFunc(d, func() { w.abort(errTimeout{d}) })
	return t.Stop
}
