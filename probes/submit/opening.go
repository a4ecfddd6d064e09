package submit

import (
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
)

var (
	errNoSTARTTLS = errors.New("the server offers no STARTTLS")
	errInjected   = errors.New("the server's reply to STARTTLS was followed by more bytes in clear text")
)

// opening is the part of a dialogue that comes before go-smtp's client: the
// greeting, and with STARTTLS all that is said in clear text. go-smtp would say
// "EHLO localhost" there, which some servers refuse, and would not notice words
// injected behind the reply to STARTTLS.
type opening struct{ text *textproto.Conn }

func openingOn(conn net.Conn) *opening { return &opening{textproto.NewConn(conn)} }

// greeting reads the server's first words.
func (o *opening) greeting() error {
	_, _, err := o.text.ReadResponse(220)
	return err
}

// ehlo says EHLO and insists on STARTTLS.
func (o *opening) ehlo(name string) error {
	_, msg, err := o.command(250, "EHLO "+name)
	if err != nil {
		return err
	}
	for line := range strings.Lines(msg) {
		if strings.EqualFold(strings.TrimSpace(line), "STARTTLS") {
			return nil
		}
	}
	return errNoSTARTTLS
}

// starttls asks for the handshake. After it nothing may be read ahead: bytes
// behind the reply would be taken for the words of the secured dialogue (RFC 3207
// section 6, CVE-2011-0411 and its kin), so they end it.
func (o *opening) starttls() error {
	if _, _, err := o.command(220, "STARTTLS"); err != nil {
		return err
	}
	if n := o.text.R.Buffered(); n > 0 {
		return fmt.Errorf("%w (%d)", errInjected, n)
	}
	return nil
}

func (o *opening) command(expect int, line string) (int, string, error) {
	if err := o.text.PrintfLine("%s", line); err != nil {
		return 0, "", err
	}
	return o.text.ReadResponse(expect)
}
