package collect

import (
	"strings"
	"testing"
	"time"

	"mailquorum/probes"
)

// FuzzServer lets a server say anything at all, a piece (they are cut at \x00)
// each time that the client has said a line; TAG stands for the tag of that line.
// Whatever it says: no panic, no goroutine left, no own canary seen that was not
// signed, nothing deleted but what was seen as our own, and the end comes at once.
func FuzzServer(f *testing.F) {
	sane := []string{"* OK [CAPABILITY IMAP4rev1 IDLE UIDPLUS] hi\r\n", "TAG OK in\r\n", "TAG OK noop\r\n", "* CAPABILITY IMAP4rev1 IDLE UIDPLUS\r\nTAG OK caps\r\n",
		"* LIST (\\Junk) \"/\" Junk\r\nTAG OK list\r\n", "* 1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 2] x\r\nTAG OK select\r\n",
		"* 1 FETCH (UID 1)\r\nTAG OK\r\n", "* 1 FETCH (UID 1 INTERNALDATE \"01-Jan-2024 00:00:00 +0000\" RFC822.SIZE 7 BODY[HEADER]<0> {4}\r\na:b\n)\r\nTAG OK fetch\r\n",
		"* 0 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 1] x\r\nTAG OK select\r\n", "TAG OK none\r\n", "TAG OK\r\n", "+ idling\r\n* 3 EXISTS\r\n"}
	f.Add(strings.Join(sane, "\x00"))
	for i := range sane {
		for _, odd := range []string{"* BYE so long\r\n", "TAG NO\r\n", "TAG BAD x\r\n", "* VANISHED 1:2\r\n", "+ {12}\r\n", "* 1 FETCH (UID 1 BODY[] {2}\r\nab)\r\nTAG OK\r\n", "* OK [Error=\"x\" {3}]\r\n"} {
			f.Add(strings.Join(append(append(append([]string{}, sane[:i]...), odd), sane[i:]...), "\x00"))
		}
	}
	f.Fuzz(func(t *testing.T, talk string) {
		inScript(t, func(s *script) {
			pieces := strings.Split(talk, "\x00")
			tag := ""
			for _, piece := range pieces {
				if _, err := s.Write([]byte(strings.ReplaceAll(piece, "TAG", tag))); err != nil {
					return
				}
				next, name, line, ok := s.command()
				if !ok {
					return
				}
				if next != "" {
					tag = next
				}
				if name == "EXPUNGE" || name == "CLOSE" || strings.Contains(line, "SEARCH") {
					t.Errorf("the client says %q", line)
				}
			}
		}, func(w *world) {
			w.start(nil)
			w.box.Expect(time.Minute)
			w.after(20 * time.Second)
			for _, err := range w.failed {
				if msg := err.Error(); len(msg) > 2*probes.MaxServerText || probes.Clean(msg) != msg[:min(len(msg), probes.MaxServerText)] {
					t.Errorf("unsafe message %q", msg)
				}
			}
			if n := len(w.own()); n > 0 {
				t.Errorf("%d own canaries out of nothing", n)
			}
		})
	})
}
