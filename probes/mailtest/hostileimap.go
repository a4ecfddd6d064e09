package mailtest

import (
	"io"
	"net"
	"strings"
	"time"
)

const imapGreeting = "* OK [CAPABILITY IMAP4rev1 IDLE UIDPLUS SPECIAL-USE AUTH=PLAIN] hostile\r\n"

// imapReplies are those of an honest server, without their tagged line.
var imapReplies = map[string]string{
	"CAPABILITY": "* CAPABILITY IMAP4rev1 IDLE UIDPLUS SPECIAL-USE AUTH=PLAIN\r\n",
	"SELECT":     "* FLAGS (\\Seen \\Deleted)\r\n* 1 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 2] ok\r\n",
	"LIST":       "* LIST (\\Junk) \"/\" Junk\r\n* LIST () \"/\" INBOX\r\n",
	"UID":        "* 1 FETCH (UID 1 RFC822.SIZE 30 BODY[HEADER] {14}\r\nSubject: hi\r\n\r\n)\r\n",
	"IDLE":       "+ idling\r\n* 2 EXISTS\r\n",
	"NOOP":       "* 2 EXISTS\r\n",
	"LOGOUT":     "* BYE bye\r\n",
}

// hostileIMAP does the deed at a command's turn; "" is the greeting's.
func hostileIMAP(at string, do deed) func(net.Conn) {
	return func(c net.Conn) {
		if at == "" {
			do(c, "*")
			return
		}
		io.WriteString(c, imapGreeting)
		idling := ""
		lineServer(c, func(line string) error {
			words := strings.Fields(strings.ToUpper(line))
			if idling != "" {
				words, idling = []string{idling, "DONE"}, ""
			}
			if len(words) < 2 {
				return errEnd
			}
			tag, verb := words[0], words[1]
			if verb == at {
				do(c, tag)
				return errEnd
			}
			reply := imapReplies[verb]
			if verb == "IDLE" {
				idling = tag
			} else {
				reply += tag + " OK done\r\n"
			}
			_, err := io.WriteString(c, reply)
			return err
		})
	}
}

// HostileIMAP lists hostile IMAP servers. Many concern FETCH, which the list
// takes for UID FETCH.
func HostileIMAP() []Hostile {
	const fetch = "* 1 FETCH (UID 1 BODY[HEADER] "
	list := []Hostile{
		{"endless greeting", hostileIMAP("", floods("* OK ", "A"))},
		{"greeting that never comes to its end", hostileIMAP("", drips("* OK ", "x", time.Second))},
		{"endless list of capabilities", hostileIMAP("", floods("* OK [CAPABILITY", " A"))},
		{"capabilities in a loop", hostileIMAP("", says("* OK [CAPABILITY(\r\n"))},
		{"capabilities in a loop, later", hostileIMAP("LOGIN", says("TAG OK [CAPABILITY IMAP4rev1 (x)] in\r\n"))},
		{"capabilities in a loop, unasked", hostileIMAP("NOOP", says("* CAPABILITY IMAP4rev1 (\r\n"))},
		{"enabled in a loop", hostileIMAP("NOOP", says("* ENABLED (\r\n"))},
		{"BYE as greeting", hostileIMAP("", says("* BYE go away\r\n"))},
		{"PREAUTH as greeting", hostileIMAP("", says("* PREAUTH you are in\r\n"))},
		{"not IMAP at all", hostileIMAP("", says("HTTP/1.1 400 Bad Request\r\n\r\n"))},
		{"greetings without end", hostileIMAP("", floods("", "* OK hello\r\n"))},
		{"line of 1 GB", hostileIMAP("SELECT", floods("* FLAGS (", "a "))},
		{"quoted string of 1 GB", hostileIMAP("LIST", floods("* LIST () \"/\" \"", "a"))},
		{"nested lists", hostileIMAP("LIST", floods("* LIST ", "("))},
		{"mailboxes without end", hostileIMAP("LIST", floods("", "* LIST () \"/\" a\r\n"))},
		{"mailboxes unasked", hostileIMAP("NOOP", floods("", "* LIST () \"/\" a\r\n"))},
		{"literal of 2^40", hostileIMAP("UID", floods(fetch+"{1099511627776}\r\n", "A"))},
		{"literal of 2^64", hostileIMAP("UID", says(fetch+"{18446744073709551616}\r\n"))},
		{"literal that never comes", hostileIMAP("UID", says(fetch+"{1000}\r\n"))},
		{"literal in a trickle", hostileIMAP("UID", drips(fetch+"{1000}\r\n", "x", time.Second))},
		{"literals without end", hostileIMAP("UID", floods("", fetch+"{1}\r\nx)\r\n"))},
		{"literal where none belongs", hostileIMAP("UID", floods("* 1 FETCH (FLAGS ({1000000}\r\n", "A"))},
		{"header of 100,000 lines", hostileIMAP("UID", floods(fetch+"{7000000}\r\n", "X-Header: "+strings.Repeat("z", 58)+"\r\n"))},
		{"flags without end", hostileIMAP("UID", floods("", "* 1 FETCH (FLAGS (\\Seen))\r\n"))},
		{"search without end", hostileIMAP("UID", floods("* SEARCH", " 1"))},
		{"unknown response", hostileIMAP("UID", says("* VANISHED 1:4\r\nTAG OK done\r\n"))},
		{"unknown item", hostileIMAP("UID", says("* 1 FETCH (X-GM-LABELS (a))\r\nTAG OK done\r\n"))},
		{"unknown code", hostileIMAP("UID", says("TAG NO [Error=\"x\"] y\r\n"))},
		{"somebody else's tag", hostileIMAP("UID", says("XYZ OK done\r\n"))},
		{"continuation unasked", hostileIMAP("UID", says("+ more\r\n"))},
		{"BYE in the middle", hostileIMAP("UID", says("* BYE shutting down\r\n"))},
		{"arrivals without end", hostileIMAP("IDLE", floods("+ idling\r\n", "* 2 EXISTS\r\n"))},
		{"departures without end", hostileIMAP("IDLE", floods("+ idling\r\n", "* 1 EXPUNGE\r\n"))},
		{"chatter in IDLE", hostileIMAP("IDLE", drips("+ idling\r\n", "* OK still here\r\n", time.Second))},
		{"DONE ignored", hostileIMAP("DONE", silent)},
		{"zero bytes", hostileIMAP("NOOP", floods("", "\x00"))},
		{"empty lines", hostileIMAP("NOOP", floods("", "\r\n"))},
	}
	for _, at := range []string{"", "LOGIN", "SELECT", "LIST", "UID", "NOOP", "IDLE", "LOGOUT"} {
		name := at
		if at == "" {
			name = "greeting"
		}
		list = append(list,
			Hostile{"silence at " + name, hostileIMAP(at, silent)},
			Hostile{"hangs up at " + name, hostileIMAP(at, hangsUp)},
		)
	}
	return list
}
