package collect

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"mailquorum/probes/guard"
	"mailquorum/probes/tap"
)

const (
	opConnect  = "connecting"
	opTLS      = "securing the connection"
	opGreeting = "greeting"
	opLogin    = "login"
)

// connect opens the connection and brings it to the point where the server's
// greeting is to be read, in at most the watchdog's time. The guard ends with ctx.
func (m *Mailbox) connect(ctx context.Context, record *tap.Tap) (*wire, error) {
	deadline := time.Now().Add(m.cfg.Watchdog)
	dialing, cancel := context.WithDeadlineCause(ctx, deadline, errTimeout{m.cfg.Watchdog})
	defer cancel()
	conn, err := m.cfg.Dial(dialing, "tcp", m.cfg.Address)
	if err != nil {
		if cause := context.Cause(dialing); cause != nil {
			err = cause
		}
		return nil, m.dialFailure(opConnect, err)
	}
	record.Note("connected to %s from %s", conn.RemoteAddr(), conn.LocalAddr())
	g := guard.New(conn, guard.Handshake, deadline)
	release := g.Watch(ctx)
	top, err := m.secure(g, record)
	if err != nil {
		release()
		conn.Close()
		return nil, err
	}
	return &wire{Conn: record.Conn(g.IMAP(top)), guard: g, release: release}, nil
}

func (m *Mailbox) secure(g *guard.Conn, record *tap.Tap) (net.Conn, error) {
	switch m.cfg.TLS {
	case Plain:
		return g, nil
	case STARTTLS:
		if err := m.startTLS(record.Conn(g)); err != nil {
			return nil, err
		}
	}
	tc := tls.Client(g, m.cfg.TLSConfig)
	if err := tc.Handshake(); err != nil { // ends with the guard
		return nil, m.dialFailure(opTLS, g.Explain(err))
	}
	state := tc.ConnectionState()
	record.Note("%s, %s", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite))
	if m.cfg.TLS == STARTTLS {
		return greeted{tc, strings.NewReader(ownGreeting)}, nil
	}
	return tc, nil
}

// ownGreeting stands for the greeting that a server says before STARTTLS and not
// again after it. It names no capabilities: what was said in clear is forgotten
// (RFC 9051 section 6.2.1), and the library asks anew.
const ownGreeting = "* OK secured\r\n"

type greeted struct {
	net.Conn
	greeting *strings.Reader
}

func (g greeted) Read(b []byte) (int, error) {
	if g.greeting.Len() > 0 {
		return g.greeting.Read(b)
	}
	return g.Conn.Read(b)
}

// maxPlainLines bounds what a server says before TLS.
const maxPlainLines = 64

// startTLS reads the greeting and asks for TLS, RFC 9051 section 6.2.1. Nothing
// else is said or believed in clear, a refusal is an error, and so is whatever
// the server (or somebody between) says after its answer.
func (m *Mailbox) startTLS(conn net.Conn) error {
	r := bufio.NewReaderSize(conn, 4<<10)
	greeting, err := readLine(r)
	if err != nil {
		return m.dialFailure(opGreeting, err)
	}
	word := func(line string, i int) string {
		if f := strings.Fields(line); i < len(f) {
			return strings.ToUpper(f[i])
		}
		return ""
	}
	switch {
	case word(greeting, 0) == "*" && word(greeting, 1) == "OK":
	case word(greeting, 0) == "*" && word(greeting, 1) == "BYE":
		return bye(opGreeting, errors.New(greeting[2:]), strings.ToLower(greeting))
	case word(greeting, 0) == "*" && word(greeting, 1) == "PREAUTH":
		return unknown(opTLS, errors.New("the server says that we are logged in, in clear"), "STARTTLS is impossible after PREAUTH: somebody may be in between")
	case smtpSpeaks(greeting):
		return unknown(opGreeting, fmt.Errorf("not IMAP: %s", greeting), hintSMTP)
	default:
		return unknown(opGreeting, fmt.Errorf("not IMAP: %s", greeting), "the port speaks no IMAP in clear")
	}
	if r.Buffered() > 0 {
		return unknown(opTLS, errors.New("something was said in clear before STARTTLS"), "somebody may be in between")
	}
	if _, err := io.WriteString(conn, "S STARTTLS\r\n"); err != nil {
		return m.dialFailure(opTLS, err)
	}
	for range maxPlainLines {
		line, err := readLine(r)
		if err != nil {
			return m.dialFailure(opTLS, err)
		}
		if word(line, 0) != "S" {
			continue
		}
		if word(line, 1) != "OK" {
			return unknown(opTLS, fmt.Errorf("STARTTLS refused: %s", line), "without TLS nothing is said: check the port, or whether somebody is in between")
		}
		if r.Buffered() > 0 {
			return unknown(opTLS, errors.New("something was said in clear after STARTTLS"), "somebody may be in between")
		}
		return nil
	}
	return unknown(opTLS, errors.New("STARTTLS was not answered"), "")
}

// readLine reads one line of at most the reader's size.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	return string(bytes.TrimRight(line, "\r\n")), nil
}
