// Package tap records what is said on a connection, line by line, as a
// probes.Transcript: redacted as it is recorded, so that no secret is ever kept.
//
// A tap lies above TLS, under the library:
//
//	t := tap.New(tap.SMTP)
//	t.Hide(password)
//	client := smtp.NewClient(t.Conn(tlsConn))
//	...
//	t.Transcript()
package tap

import (
	"bytes"
	"fmt"
	"net"
	"sync"
	"time"

	"mailquorum/probes"
)

// Protocol says what is told by the lines themselves.
type Protocol uint8

// The protocols.
const (
	SMTP Protocol = iota
	IMAP          // literals are counted, not recorded: they hold mail
)

// maxLine bounds what is kept of a line until its end comes; longer ones are cut.
const maxLine = 2048

// Tap records a dialogue. Its methods may be called from several goroutines.
type Tap struct {
	protocol Protocol

	mu      sync.Mutex
	began   time.Time
	record  probes.Transcript
	secrets []string
	strike  probes.Redactor
	quiet   bool
	sides   [2]side // client, server
}

// side is one direction.
type side struct {
	line []byte
	tail []byte // the last bytes of a line that was cut
	skip int64  // bytes of a literal still to come
}

// tailSize holds the announcement of a literal.
const tailSize = 24

// New begins a dialogue.
func New(p Protocol) *Tap { return &Tap{protocol: p, began: time.Now()} }

// Begin forgets what was recorded, not the secrets: another dialogue begins on
// the same connection.
func (t *Tap) Begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.began, t.record, t.quiet, t.sides = time.Now(), probes.Transcript{}, false, [2]side{}
}

// Hide strikes the secrets out of every line from now on, in all their forms.
func (t *Tap) Hide(secrets ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.secrets = append(t.secrets, secrets...)
	t.strike = probes.NewRedactor(t.secrets...)
}

// Redact strikes out of text what Hide was told.
func (t *Tap) Redact(text string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.strike.Redact(text)
}

// Note records something that neither side said.
func (t *Tap) Note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(probes.Note, fmt.Sprintf(format, args...))
}

// Quiet stops (true) and resumes (false) the recording of what the client sends:
// credentials, the message.
func (t *Tap) Quiet(quiet bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.quiet = quiet
	t.sides[0] = side{}
}

// Transcript returns the dialogue so far. Of a line that has not ended only the
// length is told: half a secret is not recognised as one.
func (t *Tap) Transcript() probes.Transcript {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.record
	out.Lines = append([]probes.Line(nil), t.record.Lines...)
	for i, who := range []probes.Side{probes.Client, probes.Server} {
		if s := &t.sides[i]; len(s.line) > 0 {
			out.Add(time.Since(t.began), who, fmt.Sprintf("(%d bytes, and no end of the line)", len(s.line)))
		}
	}
	return out
}

func (t *Tap) add(who probes.Side, text string) {
	t.record.Add(time.Since(t.began), who, t.strike.Redact(text))
}

// sent and received record bytes of the two directions.
func (t *Tap) sent(b []byte)     { t.take(0, probes.Client, b) }
func (t *Tap) received(b []byte) { t.take(1, probes.Server, b) }

func (t *Tap) take(i int, who probes.Side, b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i == 0 && t.quiet {
		return
	}
	s := &t.sides[i]
	for len(b) > 0 {
		if s.skip > 0 {
			n := min(s.skip, int64(len(b)))
			b, s.skip = b[n:], s.skip-n
			continue
		}
		line, rest, ended := cut(b)
		b = rest
		s.keep(line)
		if !ended {
			return
		}
		text, last := s.end()
		if t.protocol == IMAP {
			s.skip = literal(last)
		}
		t.add(who, text)
	}
}

// keep appends to the present line.
func (s *side) keep(b []byte) {
	room := maxLine - len(s.line)
	if len(b) <= room {
		s.line = append(s.line, b...)
		return
	}
	s.line = append(s.line, b[:room]...)
	s.tail = append(s.tail, b[max(room, len(b)-tailSize):]...)
	s.tail = s.tail[max(0, len(s.tail)-tailSize):]
}

// end takes the present line: what is shown of it, and its last bytes.
func (s *side) end() (text string, last []byte) {
	text, last = string(bytes.TrimSuffix(s.line, []byte("\r"))), s.line
	if len(s.tail) > 0 {
		text, last = text+"...", s.tail
	}
	s.line, s.tail = nil, nil
	return text, bytes.TrimSuffix(last, []byte("\r"))
}

// Conn is conn with the tap on it.
func (t *Tap) Conn(conn net.Conn) net.Conn { return &tapped{conn, t} }

type tapped struct {
	net.Conn
	tap *Tap
}

// Read records what was read.
func (c *tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.tap.received(b[:n])
	return n, err
}

// Write records what was written.
func (c *tapped) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.tap.sent(b[:n])
	return n, err
}
