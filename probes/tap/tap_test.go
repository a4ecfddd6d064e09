package tap

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// said draws what a tap recorded, without the times.
func said(t *Tap) string {
	var b strings.Builder
	for _, l := range t.Transcript().Lines {
		fmt.Fprintf(&b, "%s %s\n", l.Side, l.Text)
	}
	return b.String()
}

// However the bytes are cut into pieces, the record is the same.
func TestPiecesDoNotMatter(t *testing.T) {
	const talk = "* OK hi\r\n* 1 FETCH (BODY[HEADER] {12}\r\nSubject: x\r\n UID 7)\r\nA1 OK " + "done\nA2 NO [X] {3+}\r\nabc end\r\n+ {x}\r\n{0}\r\n{-1}\r\n"
	want := "S * OK hi\nS * 1 FETCH (BODY[HEADER] {12}\nS  UID 7)\nS A1 OK done\nS A2 NO [X] {3+}\nS  end\nS + {x}\nS {0}\nS {-1}\n"
	rapid.Check(t, func(t *rapid.T) {
		tp := New(IMAP)
		for rest := talk; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			tp.received([]byte(rest[:n]))
			rest = rest[n:]
		}
		if got := said(tp); got != want {
			t.Fatalf("got\n%s", got)
		}
	})
}

func TestLongLinesAreCutAndTheirLiteralsSkipped(t *testing.T) {
	tp := New(IMAP)
	for _, piece := range []string{"* 1 FETCH " + strings.Repeat("x", 5000), strings.Repeat("y", 5000), " {1", "0}\r\nprivate!!!)\r\n"} {
		tp.received([]byte(piece))
	}
	got := tp.Transcript().Lines
	if len(got) != 2 || !strings.HasPrefix(got[0].Text, "* 1 FETCH xxx") || got[1].Text != ")" {
		t.Errorf("got %v", got)
	}
}

func TestSecretsAreNeverKept(t *testing.T) {
	tp := New(IMAP)
	tp.Hide(`pa"ss\word`)
	tp.Hide("other")
	tp.sent([]byte("A1 LOGIN user \"pa\\\"ss\\\\word\"\r\n"))
	tp.received([]byte("A1 NO pa\"ss\\word is wrong, other too\r\n"))
	tp.Quiet(true)
	tp.sent([]byte("c2VjcmV0\r\nhalf a li"))
	tp.Quiet(false)
	tp.sent([]byte("A2 NOOP\r\nA3 LOGIN user \"pa"))
	want := "C A1 LOGIN user \"<secret>\"\nS A1 NO <secret> is wrong, <secret> too\nC A2 NOOP\nC (17 bytes, and no end of the line)\n"
	if got := said(tp); got != want {
		t.Errorf("got\n%s", got)
	}
	if got := tp.Redact("other"); got != "<secret>" {
		t.Errorf("Redact: %q", got)
	}
}

func TestBothDirectionsOfAConnection(t *testing.T) {
	near, far := net.Pipe()
	tp := New(SMTP)
	conn := tp.Conn(near)
	tp.Note("connected to %s", "somebody")
	var done sync.WaitGroup
	done.Go(func() {
		io.WriteString(far, "220 hi {5}\r\n")
		io.ReadFull(far, make([]byte, 8))
		io.WriteString(far, "250 hello\r\n")
		far.Close()
	})
	buf := make([]byte, 12)
	io.ReadFull(conn, buf)
	io.WriteString(conn, "EHLO x\r\n")
	io.ReadAll(conn)
	done.Wait()
	want := "- connected to somebody\nS 220 hi {5}\nC EHLO x\nS 250 hello\n"
	if got := said(tp); got != want {
		t.Errorf("got\n%s", got)
	}
}
