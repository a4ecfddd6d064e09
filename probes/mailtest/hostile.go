package mailtest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Hostile is a server that is broken or malicious in one way. It speaks its
// protocol honestly up to that point.
type Hostile struct {
	Name  string
	Serve func(net.Conn) // returns when the client has gone
}

// Serve runs a server on a listener, over TLS where cfg is given. Stop closes
// the listener and all connections, and waits for their goroutines.
func Serve(l net.Listener, cfg *tls.Config, serve func(net.Conn)) (stop func()) {
	var running sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]struct{}{}
	closed := false
	running.Go(func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			if closed {
				raw.Close()
			}
			open[raw] = struct{}{}
			mu.Unlock()
			running.Go(func() {
				c := raw
				if cfg != nil {
					c = tls.Server(raw, cfg)
				}
				serve(c)
				c.Close()
				mu.Lock()
				delete(open, raw)
				mu.Unlock()
			})
		}
	})
	return func() {
		l.Close()
		mu.Lock()
		closed = true
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		running.Wait()
	}
}

// flooded is how much a flooding server sends at most: 1 GiB.
const flooded = 1 << 30

// deed is what a hostile server does when its moment has come. The tag is that
// of the IMAP command.
type deed func(c net.Conn, tag string)

// silent says nothing more, and waits for the client to go.
func silent(c net.Conn, _ string) { io.Copy(io.Discard, c) }

// hangsUp closes the connection.
func hangsUp(net.Conn, string) {}

// says sends some text, in which TAG stands for the command's tag, and is
// silent then.
func says(text string) deed {
	return func(c net.Conn, tag string) {
		io.WriteString(c, strings.ReplaceAll(text, "TAG", tag))
		silent(c, tag)
	}
}

// floods sends a beginning, then one piece again and again.
func floods(start, piece string) deed {
	chunk := []byte(strings.Repeat(piece, 1+64<<10/len(piece)))
	return func(c net.Conn, tag string) {
		io.WriteString(c, strings.ReplaceAll(start, "TAG", tag))
		for n := 0; n < flooded; n += len(chunk) {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
		silent(c, tag)
	}
}

// drips sends a beginning, then one piece each interval, for ever.
func drips(start, piece string, interval time.Duration) deed {
	return func(c net.Conn, tag string) {
		_, err := io.WriteString(c, strings.ReplaceAll(start, "TAG", tag))
		for err == nil {
			time.Sleep(interval)
			_, err = io.WriteString(c, piece)
		}
	}
}

// deaf stops reading altogether, so that the client's writes get stuck, until a
// write of its own fails, which it tries now and then without saying anything
// that a client could take for an answer.
func deaf(c net.Conn, _ string) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	for {
		time.Sleep(time.Second)
		if _, err := c.Write(nil); err != nil || gone(c) {
			return
		}
	}
}

// gone reports whether the client has closed an in-memory connection.
func gone(c net.Conn) bool {
	m, ok := c.(*conn)
	if !ok {
		return false
	}
	m.r.mu.Lock()
	defer m.r.mu.Unlock()
	return m.r.writerGone || m.r.readerGone
}

// errEnd ends an honest dialogue.
var errEnd = errors.New("end of the dialogue")

// lineServer reads lines and answers each, until answer returns an error.
func lineServer(c net.Conn, answer func(line string) error) {
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadString('\n')
		if err != nil || answer(strings.TrimRight(line, "\r\n")) != nil {
			return
		}
	}
}
