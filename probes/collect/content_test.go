package collect

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"mailquorum/probes"
)

func bounce(tag string) []byte {
	return []byte(strings.ReplaceAll(`Return-Path: <>
From: MAILER-DAEMON@provider.test
To: a@x.test
Message-ID: <1@provider.test>
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; provider.test

Final-Recipient: rfc822; b@x.test
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user
--b
Content-Type: text/rfc822-headers

Message-ID: <`+tag+`@x.test>
--b--
`, "\n", "\r\n"))
}

func TestBounce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(nil)
		tag := ours.Tag(probes.ID{7})
		for range 3 * batch {
			w.put("INBOX", bounce(tag))
		}
		w.put("INBOX", foreign(1))
		w.after(time.Second)
		w.wantOwn() // a bounce is not the canary
		n := 0
		for _, s := range w.sightings() {
			if s.DSN == nil {
				continue
			}
			n++
			if !s.DSN.Failed() || s.DSN.Status != "5.1.1" || len(s.DSN.Tags) != 1 || s.DSN.Tags[0] != tag || len(s.Tags) != 0 {
				t.Fatalf("%+v", s.DSN)
			}
		}
		if n != 3*batch || w.count("INBOX") != 3*batch+1 {
			t.Errorf("%d bounces seen, %d messages left", n, w.count("INBOX"))
		}
		w.wantFailures()
	})
}

// A canary whose header lost its tag on the way is known by its text.
func TestLostTag(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(nil)
		var kept []string
		for line := range strings.Lines(string(canary(ours, 5))) {
			if !strings.HasPrefix(line, "Message-ID:") && !strings.HasPrefix(line, "X-Mailquorum-Canary:") {
				kept = append(kept, line)
			}
		}
		w.put("INBOX", []byte(strings.Join(kept, "")))
		answer := bytes.Replace(canary(ours, 6), []byte("Message-ID: <"), []byte("In-Reply-To: <"), 1)
		answer = bytes.Replace(answer, []byte("X-Mailquorum-Canary"), []byte("X-Other"), 1)
		w.put("INBOX", answer)
		w.after(time.Second)
		w.wantOwn(5)
		if n := w.count("INBOX"); n != 1 {
			t.Errorf("%d messages left, want the answer", n)
		}
	})
}

// Headers beyond the bound are cut, and a literal that is longer than asked for
// is not kept.
func TestHugeHeader(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put("INBOX", append([]byte("X-Big: "+strings.Repeat(strings.Repeat("x", 70)+"\r\n ", 10_000)+"\r\n"), foreign(1)...))
		w.start(nil)
		if s := w.last(); len(s.Header) != maxHeader || s.Size < 700_000 {
			t.Errorf("header of %d bytes, size %d", len(s.Header), s.Size)
		}
	})
	inScript(t, func(s *script) {
		s.serve(func(tag, name, line string) bool {
			if name != "UID FETCH" {
				return false
			}
			s.say("* 1 FETCH (UID 1 BODY[HEADER]<0> {%d}\r\n%s)\r\n%s OK done", 1<<20, strings.Repeat("x", 1<<20), tag)
			return true
		})
	}, func(w *world) {
		w.start(nil)
		if s := w.last(); len(s.Header) != maxHeader {
			t.Errorf("header of %d bytes", len(s.Header))
		}
	})
}

// Identifiers may lie far apart: the list is asked for in windows that grow.
func TestSparseUIDs(t *testing.T) {
	lists := 0
	inScript(t, func(s *script) {
		uids := []imap.UID{1, 2, 149_999, 150_001, 3_000_000_000, 4_294_967_294}
		s.serve(func(tag, name, line string) bool {
			switch {
			case name == "SELECT":
				s.say("* 6 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 4294967295] x\r\n%s OK done", tag)
			case name == "UID FETCH":
				f := strings.Fields(line)
				list := strings.HasSuffix(line, " (UID)")
				if list {
					lists++
				}
				for i, uid := range uids {
					if !within(f[3], uid) {
						continue
					}
					s.say("* %d FETCH (UID %d%s)", i+1, uid, map[bool]string{false: " BODY[HEADER]<0> {4}\r\na:b\n"}[list])
				}
				s.say("%s OK done", tag)
			default:
				return false
			}
			return true
		})
	}, func(w *world) {
		w.start(nil)
		var got []uint32
		for _, s := range w.sightings() {
			got = append(got, s.UID)
		}
		if fmt.Sprint(got) != "[1 2 149999 150001 3000000000 4294967294]" || w.scanCount() != 1 {
			t.Errorf("%v, %d scans, %v", got, w.scanCount(), w.failed)
		}
		if lists > 30 {
			t.Errorf("%d lists", lists)
		}
	})
}

// within reports whether a set such as "1:3,7" or "5:*" holds uid.
func within(set string, uid imap.UID) bool {
	for part := range strings.SplitSeq(set, ",") {
		var from, to imap.UID
		if n, _ := fmt.Sscanf(part, "%d:%d", &from, &to); n < 2 {
			to = from
			if strings.HasSuffix(part, "*") {
				to = 1<<32 - 1
			}
		}
		if from <= uid && uid <= to {
			return true
		}
	}
	return false
}

// A mailbox that may be read only keeps its canaries; that is said once.
func TestReadOnly(t *testing.T) {
	inScript(t, func(s *script) {
		s.serve(func(tag, name, line string) bool {
			switch {
			case name == "SELECT":
				s.say("* 1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 2] x\r\n* OK [PERMANENTFLAGS ()] none\r\n%s OK [READ-ONLY] done", tag)
			case name == "UID FETCH" && strings.HasSuffix(line, "(UID)"):
				s.say("* 1 FETCH (UID 1)\r\n%s OK done", tag)
			case name == "UID FETCH":
				raw := canary(ours, 1)
				s.say("* 1 FETCH (UID 1 BODY[HEADER]<0> {%d}\r\n%s)\r\n%s OK done", len(raw), raw, tag)
			case name == "UID STORE":
				s.say("%s NO [OVERQUOTA] the mailbox is read-only", tag)
			case name == "UID EXPUNGE":
				panic("expunge after a refused store")
			case name == "IDLE":
				s.say("* BYE restarting")
				s.Close()
			default:
				return false
			}
			return true
		})
	}, func(w *world) {
		w.start(nil)
		w.after(time.Hour)
		w.wantOwn(1)
		w.end()
		if n := strings.Count(w.log.String(), "left in the mailbox"); n != 1 {
			t.Errorf("said %d times:\n%s", n, w.log.String())
		}
	})
}

func TestJunkRank(t *testing.T) {
	order := []*imap.ListData{
		{Mailbox: "Unerwünscht", Attrs: []imap.MailboxAttr{imap.MailboxAttrJunk}},
		{Mailbox: "INBOX.Junk", Delim: '.'},
		{Mailbox: "[Gmail]/Spam", Delim: '/'},
		{Mailbox: "Junk E-Mail"},
		{Mailbox: "Bulk"},
		{Mailbox: "Archive/2024", Delim: '/'},
	}
	for i := range order[1:] {
		if a, b := junkRank(order[i]), junkRank(order[i+1]); a >= b {
			t.Errorf("%q ranks %d, %q ranks %d", order[i].Mailbox, a, order[i+1].Mailbox, b)
		}
	}
	if r := junkRank(&imap.ListData{Mailbox: "Junk", Attrs: []imap.MailboxAttr{imap.MailboxAttrNoSelect}}); r != len(usualJunk) {
		t.Errorf("a folder that cannot be selected ranks %d", r)
	}
}

// A message that our parser dies of is found and left out; the others are read.
func TestDeadlyMessage(t *testing.T) {
	inScript(t, func(s *script) {
		s.serve(func(tag, name, line string) bool {
			switch {
			case name == "SELECT":
				s.say("* 100 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 101] x\r\n%s OK done", tag)
			case name == "UID FETCH":
				for uid := imap.UID(1); uid <= 100; uid++ {
					if !within(strings.Fields(line)[3], uid) {
						continue
					}
					switch {
					case strings.HasSuffix(line, " (UID)"):
						s.say("* %d FETCH (UID %d)", uid, uid)
					case uid == 38 || uid == 77:
						s.say("* %d FETCH (UID %d X-ODD (1 2))", uid, uid)
					default:
						s.say("* %d FETCH (UID %d BODY[HEADER]<0> {4}\r\na:b\n)", uid, uid)
					}
				}
				s.say("%s OK done", tag)
			default:
				return false
			}
			return true
		})
	}, func(w *world) {
		w.start(nil)
		w.after(15 * time.Minute)
		seen := map[uint32]int{}
		for _, s := range w.sightings() {
			seen[s.UID]++
		}
		for uid := uint32(1); uid <= 100; uid++ {
			if want := map[bool]int{true: 1}[uid != 38 && uid != 77]; seen[uid] != want {
				t.Errorf("message %d was seen %d times", uid, seen[uid])
			}
		}
		for _, o := range w.outcomes() {
			if o != probes.Unknown {
				t.Errorf("a failure of our parser is %v", o)
			}
		}
		if n := len(w.outcomes()); w.scanCount() == 0 || n > 20 {
			t.Errorf("%d scans, %d failures", w.scanCount(), n)
		}
	})
}

// A junk folder that we found and that is gone: no scan is called complete until
// it was looked for again.
func TestJunkGone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(nil)
		w.after(time.Minute)
		if err := w.p.Recreate("agent1", "Junk"); err != nil {
			t.Fatal(err)
		}
		w.put("Junk", canary(ours, 1))
		w.box.Scan()
		w.after(time.Second)
		w.wantOwn(1)
		if r := w.told(); len(r) != 1 || !strings.HasPrefix(r[0], "Junk: UIDVALIDITY") {
			t.Errorf("resets: %q", r)
		}
	})
	gone := false
	inScript(t, func(s *script) {
		s.serve(func(tag, name, line string) bool {
			switch {
			case name == "LIST" && !gone:
				s.say("* LIST () \"/\" Spam\r\n%s OK done", tag)
			case name == "SELECT" && gone && strings.Contains(line, "Spam"):
				s.say("%s NO [NONEXISTENT] it was here", tag)
			default:
				return false
			}
			return true
		})
	}, func(w *world) {
		w.start(nil)
		scans := w.scanCount()
		gone = true
		w.box.Scan()
		w.after(100 * time.Millisecond)
		if w.scanCount() != scans {
			t.Error("a scan without the junk folder")
		}
		w.wantFailures(probes.Unknown)
		w.after(10 * time.Second)
		if w.scanCount() == scans {
			t.Error("no scan any more")
		}
	})
}

// What another session does to a message may be told in between, and go-imap
// takes it for the answer: the answer itself is then asked for again.
func TestFlagsInBetween(t *testing.T) {
	fetches := 0
	inScript(t, func(s *script) {
		s.serve(func(tag, name, line string) bool {
			switch {
			case name == "SELECT":
				s.say("* 1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 2] x\r\n%s OK done", tag)
			case name == "UID FETCH" && strings.HasSuffix(line, " (UID)"):
				s.say("* 1 FETCH (UID 1)\r\n%s OK done", tag)
			case name == "UID FETCH":
				if fetches++; fetches == 1 {
					s.say("* 1 FETCH (UID 1 FLAGS (\\Seen))")
				}
				raw := canary(ours, 1)
				s.say("* 1 FETCH (UID 1 BODY[HEADER]<0> {%d}\r\n%s)\r\n%s OK done", len(raw), raw, tag)
			default:
				return false
			}
			return true
		})
	}, func(w *world) {
		w.start(nil)
		w.wantOwn(1)
		w.wantFailures()
	})
}
