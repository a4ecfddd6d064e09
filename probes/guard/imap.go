package guard

import "net"

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
func (g *Conn) IMAP(top net.Conn) net.Conn {
	return &imapConn{Conn: top, guard: g}
}

type imapConn struct {
	net.Conn
	guard *Conn
	lines lines
}

func (c *imapConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if bad := c.lines.scan(b[:n]); bad != nil {
		clear(b[:n])
		return 0, c.guard.fail(bad)
	}
	return n, err
}
