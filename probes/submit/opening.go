package submit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
)

var (
	errNoSTARTTLS = errors.New("the server offers no STARTTLS")
	errInjected   = errors.New("the server's reply to STARTTLS was followed by more bytes in clear text")
)

// opening is the part of a dialogue that comes before go-smtp's client: the
// greeting, and with STARTTLS all that is said in clear text. go-smtp would say
// "EHLO localhost" there, which some servers refuse, would not notice words
// injected behind the reply to STARTTLS, and waits for ever for the end of what
// is no SMTP reply but looks like the beginning of a long one ("SSH-2.0").
type opening struct {
	conn net.Conn
	in   *bufio.Reader
}

func openingOn(conn net.Conn) *opening { return &opening{conn, bufio.NewReader(conn)} }

// greeting reads the server's first words.
func (o *opening) greeting() error {
	_, err := o.reply(220)
	return err
}

// ehlo says EHLO and returns the extensions, one a line, after the server's name.
func (o *opening) ehlo(name string) ([]string, error) { return o.command("EHLO "+name, 250) }

// starttls asks for the handshake, if the server offers it. After it nothing may
// be read ahead: bytes behind the reply would be taken for words of the secured
// dialogue (RFC 3207 section 6, CVE-2011-0411 and its kin), so they end it.
func (o *opening) starttls(extensions []string) error {
	offered := false
	for _, line := range extensions {
		offered = offered || strings.EqualFold(strings.TrimSpace(line), "STARTTLS")
	}
	if !offered {
		return errNoSTARTTLS
	}
	if _, err := o.command("STARTTLS", 220); err != nil {
		return err
	}
	if n := o.in.Buffered(); n > 0 {
		return fmt.Errorf("%w (%d)", errInjected, n)
	}
	return nil
}

func (o *opening) command(line string, expect int) ([]string, error) {
	if _, err := io.WriteString(o.conn, line+"\r\n"); err != nil {
		return nil, err
	}
	return o.reply(expect)
}

// reply reads one reply (RFC 5321 section 4.2) and returns the text of its lines.
// A code of another class than the expected one is a *textproto.Error, what is no
// reply a textproto.ProtocolError.
func (o *opening) reply(expect int) ([]string, error) {
	var lines []string
	for first := 0; ; {
		line, err := o.line()
		if err != nil {
			return nil, err
		}
		code, text, last, ok := cutReply(line)
		if !ok || first != 0 && code != first {
			return nil, textproto.ProtocolError("not an SMTP reply: " + line)
		}
		first = code
		lines = append(lines, text)
		switch {
		case !last:
		case code/100 != expect/100:
			return nil, &textproto.Error{Code: code, Msg: strings.Join(lines, "\n")}
		default:
			return lines, nil
		}
	}
}

// line reads one line, of at most the reader's buffer (4 KiB; RFC 5321 section
// 4.5.3.1.5 allows 512 bytes).
func (o *opening) line() (string, error) {
	b, err := o.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", textproto.ProtocolError("a line without end")
	case errors.Is(err, io.EOF) && len(b) > 0:
		return "", io.ErrUnexpectedEOF
	case err != nil:
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// cutReply takes a reply's line apart: "250-text", "250 text" or "250".
func cutReply(line string) (code int, text string, last, ok bool) {
	if len(line) < 3 {
		return 0, "", false, false
	}
	code, err := strconv.Atoi(line[:3])
	if err != nil || code < 200 || code > 599 {
		return 0, "", false, false
	}
	if line = line[3:]; line == "" {
		return code, "", true, true
	}
	return code, line[1:], line[0] == ' ', line[0] == ' ' || line[0] == '-'
}
