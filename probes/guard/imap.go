package guard

import (
	"net"
	"slices"
)

// IMAP returns top with a check of the server's lines: each response is looked
// at before the library sees it. Top is the connection itself, or the TLS
// connection over it. A violation trips the guard g.
//
// What it rejects: a capability list that holds an opening parenthesis, on
// which go-imap v2.0.0-beta.8 loops for ever (readCapabilities in
// imapclient/capability.go: Decoder.SP says yes to it without reading it); lines
// longer than MaxLine; literals longer than MaxLiteral; and whatever go-imap and
// this check might read differently, so that neither takes for a literal what
// the other takes for lines.
//
// A literal is passed on whole or not at all: where one breaks off, go-imap's
// reader and the goroutine that was reading the literal use the connection at
// the same time (fetchLiteralReader in imapclient/fetch.go), and where the
// server hangs up in it, it passes for complete.
func (g *Conn) IMAP(top net.Conn) net.Conn {
	return &imapConn{Conn: top, guard: g}
}

// imapConn is read by one goroutine at a time.
type imapConn struct {
	net.Conn
	guard *Conn
	lines lines
	kept  []byte // checked, but not passed on yet
	pass  int    // so much of kept may be
	err   error  // comes after kept[:pass]
}

// readSize is how much is read at once of a literal.
const readSize = 4 << 10

func (c *imapConn) Read(b []byte) (int, error) {
	for {
		switch {
		case c.pass > 0:
			return c.passOn(b), nil
		case c.err != nil:
			return 0, c.err
		case c.kept != nil:
			c.readOn()
			continue
		}
		n, err := c.Conn.Read(b)
		if bad := c.lines.scan(b[:n]); bad != nil {
			clear(b[:n])
			return 0, c.guard.fail(bad)
		}
		held := c.lines.held()
		if held == 0 {
			return n, err
		}
		c.kept = append([]byte(nil), b[n-held:n]...)
		c.err = err
		if n > held {
			return n - held, nil
		}
	}
}

// readOn reads more of a literal that has not arrived in full.
func (c *imapConn) readOn() {
	had := len(c.kept)
	c.kept = slices.Grow(c.kept, readSize)
	n, err := c.Conn.Read(c.kept[had:cap(c.kept)])
	c.kept, c.err = c.kept[:had+n], err
	if bad := c.lines.scan(c.kept[had:]); bad != nil {
		c.err = c.guard.fail(bad)
		return
	}
	c.pass = len(c.kept) - c.lines.held()
}

func (c *imapConn) passOn(b []byte) int {
	n := copy(b, c.kept[:c.pass])
	c.kept, c.pass = c.kept[n:], c.pass-n
	if len(c.kept) == 0 {
		c.kept = nil
	}
	return n
}
