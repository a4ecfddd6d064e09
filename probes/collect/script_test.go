package collect

import (
	"bufio"
	"fmt"
	"net"
	"strings"
)

// script is a server that says what the test tells it to.
type script struct {
	net.Conn
	r    *bufio.Reader
	caps string
}

func newScript(c net.Conn) *script { return &script{c, bufio.NewReader(c), "IMAP4rev1 IDLE UIDPLUS"} }

func (s *script) say(format string, a ...any) { fmt.Fprintf(s, format+"\r\n", a...) }

// command reads one command; ok is false when the client is gone.
func (s *script) command() (tag, name, line string, ok bool) {
	line, err := s.r.ReadString('\n')
	if err != nil {
		return "", "", "", false
	}
	line = strings.TrimRight(line, "\r\n")
	f := strings.Fields(line)
	if len(f) == 1 {
		return "", strings.ToUpper(f[0]), line, true // DONE
	}
	name = strings.ToUpper(f[1])
	if name == "UID" {
		name += " " + strings.ToUpper(f[2])
	}
	return f[0], name, line, true
}

// serve answers as a sane server with one empty folder, but asks answer first,
// which returns true when it has dealt with the command.
func (s *script) serve(answer func(tag, name, line string) bool) {
	s.say("* OK [CAPABILITY %s] ready", s.caps)
	idle := ""
	for {
		tag, name, line, ok := s.command()
		if !ok {
			return
		}
		if answer != nil && answer(tag, name, line) {
			continue
		}
		switch name {
		case "CAPABILITY":
			s.say("* CAPABILITY %s", s.caps)
		case "SELECT":
			s.say("* 0 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 1] x")
		case "STATUS":
			s.say("* STATUS Junk (UIDNEXT 1 UIDVALIDITY 1)")
		case "IDLE":
			idle = tag
			s.say("+ idling")
			continue
		case "DONE":
			tag = idle
		}
		s.say("%s OK done", tag)
	}
}
