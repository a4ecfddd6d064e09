package mailtest

import (
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// smtpReplies are those of an honest server.
var smtpReplies = map[string]string{
	"EHLO": "250-hostile.test\r\n250-8BITMIME\r\n250-SIZE 1000000\r\n250 AUTH PLAIN LOGIN",
	"AUTH": "235 2.7.0 welcome",
	"MAIL": "250 2.1.0 ok",
	"RCPT": "250 2.1.5 ok",
	"DATA": "354 go",
	".":    "250 2.0.0 queued as H1",
	"RSET": "250 2.0.0 ok",
	"NOOP": "250 2.0.0 ok",
	"QUIT": "221 2.0.0 bye",
}

// hostileSMTP does the deed at a command's turn; "" is the banner's, "BODY" the
// message's, "." that of its end.
func hostileSMTP(at string, do deed) func(net.Conn) {
	return func(c net.Conn) {
		if at == "" {
			do(c, "")
			return
		}
		io.WriteString(c, "220 hostile.test ESMTP\r\n")
		body := false
		lineServer(c, func(line string) error {
			verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
			switch {
			case body && line != ".":
				return nil
			case body:
				body = false
			}
			reply, known := smtpReplies[verb]
			switch {
			case verb == at:
				do(c, "")
				return errEnd
			case !known:
				reply = "500 5.5.1 what?"
			}
			if _, err := io.WriteString(c, reply+"\r\n"); err != nil {
				return err
			}
			if body = verb == "DATA"; body && at == "BODY" {
				do(c, "")
				return errEnd
			}
			return nil
		})
	}
}

// HostileSMTP lists hostile submission servers.
func HostileSMTP() []Hostile {
	list := []Hostile{
		{"endless banner", hostileSMTP("", floods("", "220-"+strings.Repeat("x", 500)+"\r\n"))},
		{"endless banner of empty lines", hostileSMTP("", floods("", "220-\r\n"))},
		{"banner of 1 GB in one line", hostileSMTP("", floods("220 ", strings.Repeat("A", 1000)))},
		{"slowloris banner", hostileSMTP("", drips("220 ", "x", time.Second))},
		{"slow lines of banner", hostileSMTP("", drips("", "220-still here\r\n", 5*time.Second))},
		{"banner of control characters", hostileSMTP("", says("554-\x1b[2J\x00\x07\r\n554 level=ERROR pw=\xff\xfe\r\n"))},
		{"endless EHLO", hostileSMTP("EHLO", floods("", "250-X\r\n"))},
		{"endless final reply", hostileSMTP(".", floods("", "250-queued as X\r\n"))},
		{"slowloris final reply", hostileSMTP(".", drips("250 ", "x", time.Second))},
		{"deaf after DATA", hostileSMTP("BODY", deaf)},
		{"challenges without end", hostileSMTP("AUTH", floods("", "334 UGFzc3dvcmQ6\r\n"))},
	}
	for _, at := range []string{"", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "."} {
		name := at
		if at == "" {
			name = "banner"
		}
		list = append(list,
			Hostile{"silence at " + name, hostileSMTP(at, silent)},
			Hostile{"hangs up at " + name, hostileSMTP(at, hangsUp)},
		)
		for i, reply := range []string{"999 what\r\n", "abc\r\n", "25\r\n", "250-a\r\n251 b\r\n", "\r\n", "-1 x\r\n", "250", "\x00\x00\x00\n"} {
			list = append(list, Hostile{fmt.Sprintf("nonsense %d at %s", i, name), hostileSMTP(at, says(reply))})
		}
	}
	return list
}
