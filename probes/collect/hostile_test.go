package collect

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mailquorum/internal/secret"
	"mailquorum/probes"
)

// What a server may say, and what it means. Each failure is told, and after it
// the mailbox connects again.
func TestServerSays(t *testing.T) {
	reply := func(when, format string) func(*script) {
		return func(s *script) {
			s.serve(func(tag, name, _ string) bool {
				if name != when {
					return false
				}
				s.say("%s", strings.ReplaceAll(format, "TAG", tag))
				return true
			})
		}
	}
	hangUp := func(when, format string) func(*script) {
		return func(s *script) {
			s.serve(func(tag, name, _ string) bool {
				if name != when {
					return false
				}
				fmt.Fprint(s, format)
				s.Close()
				return true
			})
		}
	}
	for _, c := range []struct {
		name  string
		serve func(*script)
		want  probes.Outcome
	}{
		{"BYE as greeting", func(s *script) { s.say("* BYE down for maintenance") }, probes.Failed},
		{"BYE as greeting, crowded", func(s *script) { s.say("* BYE Too many connections") }, probes.Throttled},
		{"no greeting", func(s *script) { s.Close() }, probes.Failed},
		{"not IMAP", func(s *script) { s.say("220 smtp ready") }, probes.Unknown},
		{"PREAUTH", func(s *script) { s.say("* PREAUTH welcome") }, probes.Unknown},
		{"OK to everything", func(s *script) {
			s.say("* OK ready")
			for {
				tag, _, _, ok := s.command()
				if !ok {
					return
				}
				s.say("%s OK certainly", tag)
			}
		}, probes.Unknown},
		{"login refused", reply("LOGIN", "TAG NO [AUTHENTICATIONFAILED] no"), probes.AuthFailed},
		{"login refused, no code", reply("LOGIN", "TAG NO LOGIN failed."), probes.AuthFailed},
		{"login unavailable", reply("LOGIN", "TAG NO [UNAVAILABLE] directory is down"), probes.Failed},
		{"login passing", reply("LOGIN", "TAG NO Internal error occurred. Refer to server log"), probes.Failed},
		{"login crowded", reply("LOGIN", "TAG NO [ALERT] Too many simultaneous connections. (Failure)"), probes.Throttled},
		{"login limited", reply("LOGIN", "TAG NO [LIMIT] enough"), probes.Throttled},
		{"login BAD", reply("LOGIN", "TAG BAD what?"), probes.Unknown},
		{"BYE after login", hangUp("LOGIN", "* BYE shutting down\r\n"), probes.Failed},
		{"BYE crowded after login", hangUp("SELECT", "* BYE Maximum number of connections from user+IP exceeded\r\n"), probes.Throttled},
		{"cut in select", hangUp("SELECT", "* 1 EXI"), probes.Failed},
		{"select refused", reply("SELECT", "TAG NO mailbox is broken"), probes.Failed},
		{"no such folder", reply("SELECT", "TAG NO [NONEXISTENT] none"), probes.Unknown},
		{"no UIDVALIDITY", reply("SELECT", "* 0 EXISTS\r\nTAG OK done"), probes.Unknown},
		{"Outlook's code", reply("SELECT", `* OK [Error="x y" {z}] hm`+"\r\nTAG OK done"), probes.Unknown},
		{"VANISHED", reply("UID FETCH", "* VANISHED 1:3\r\nTAG OK done"), probes.Unknown},
		{"odd item", reply("UID FETCH", "* 1 FETCH (UID 1 X-GM-THING (a b))\r\nTAG OK done"), probes.Unknown},
		{"fetch refused", reply("UID FETCH", "TAG NO server is ill"), probes.Failed},
		{"unknown tag", reply("NOOP", "X77 OK done"), probes.Unknown},
		{"silence", func(s *script) { s.command() }, probes.Failed},
		{"flood", func(s *script) {
			s.say("* OK [CAPABILITY IMAP4rev1] ready")
			for {
				if _, err := fmt.Fprint(s, "* OK ", strings.Repeat("x", 1000), "\r\n"); err != nil {
					return
				}
			}
		}, probes.Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sessions atomic.Int64
			inScript(t, func(s *script) { sessions.Add(1); c.serve(s) }, func(w *world) {
				w.start(nil)
				w.box.Expect(time.Minute)
				w.after(time.Minute)
				got := w.outcomes()
				if len(got) == 0 || got[0] != c.want {
					t.Fatalf("failures: %v, want %v", w.failed, c.want)
				}
				if sessions.Load() < 2 {
					t.Error("did not connect again")
				}
				for _, err := range w.failed {
					if msg := err.Error(); len(msg) > 2*probes.MaxServerText || strings.ContainsAny(msg, "\r\n\x1b") {
						t.Errorf("unsafe message %q", msg)
					}
				}
			})
		})
	}
}

// What comes while nothing was asked, in IDLE.
func TestServerSaysInIdle(t *testing.T) {
	for _, c := range []struct {
		name, words string
		hangUp      bool
		want        []probes.Outcome
	}{
		{"VANISHED", "* VANISHED 1", false, []probes.Outcome{probes.Unknown}},
		{"nonsense", "hello?", false, []probes.Outcome{probes.Unknown}},
		{"BYE", "* BYE autologout", true, nil},
		{"cut", "* OK still here", true, nil},
		{"crowded", "* BYE too many connections", true, []probes.Outcome{probes.Throttled}},
		{"keepalive", "* OK still here", false, nil},
		{"end of IDLE", "T9 OK enough", false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sessions atomic.Int64
			inScript(t, func(s *script) {
				first := sessions.Add(1) == 1
				s.serve(func(tag, name, _ string) bool {
					if name != "IDLE" || !first {
						return false
					}
					first = false
					s.say("+ idling")
					time.Sleep(time.Minute)
					s.say("%s", strings.ReplaceAll(c.words, "T9", tag))
					if c.hangUp {
						s.Close()
					}
					return true
				})
			}, func(w *world) {
				w.start(nil)
				w.after(70 * time.Second)
				w.wantFailures(c.want...)
			})
		})
	}
}

// A password that a server repeats does not get into errors and logs.
func TestEcho(t *testing.T) {
	const marker = "planted-marker-7"
	inScript(t, func(s *script) {
		s.serve(func(tag, name, line string) bool {
			if name != "LOGIN" {
				return false
			}
			s.say("%s NO I do not like %s", tag, line)
			return true
		})
	}, func(w *world) {
		w.start(func(c *Config) { c.Password = secret.New(marker) })
		w.after(time.Minute)
		w.end()
		if got := fmt.Sprint(w.failed) + w.log.String(); strings.Contains(got, marker) || !strings.Contains(got, "LOGIN") {
			t.Errorf("%s", got)
		}
	})
}

// STARTTLS stripped, injected, refused, or a login before it: never a password.
func TestSTARTTLSAttacks(t *testing.T) {
	for _, c := range []struct{ name, greeting, answer string }{
		{"stripped", "* OK [CAPABILITY IMAP4rev1] x", "S BAD unknown"},
		{"refused", "* OK x", "S NO not today"},
		{"PREAUTH", "* PREAUTH welcome", ""},
		{"injected", "* OK x", "S OK go\r\n* CAPABILITY IMAP4rev1"},
		{"injected early", "* OK x\r\nS OK go", ""},
		{"BYE", "* BYE x", ""},
		{"not IMAP", "220 x", ""},
		{"endless", "* OK x", strings.Repeat("* OK more\r\n", 10000)},
		{"long line", "* OK " + strings.Repeat("x", 20000), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var said strings.Builder
			inScript(t, func(s *script) {
				s.say("%s", c.greeting)
				for {
					_, _, line, ok := s.command()
					if !ok {
						return
					}
					said.WriteString(line + "\n")
					s.say("%s", c.answer)
				}
			}, func(w *world) {
				w.start(func(c *Config) { c.TLS = STARTTLS })
				w.after(time.Second)
				w.end()
				for _, word := range []string{"LOGIN", "AUTHENTICATE", "CAPABILITY", "secret-1"} {
					if strings.Contains(said.String(), word) {
						t.Errorf("said in clear: %q", said.String())
					}
				}
				if len(w.failed) == 0 {
					t.Error("no failure")
				}
			})
		})
	}
}

// A message that the server itself cannot read is left out, the others are not.
func TestUnreadableMessage(t *testing.T) {
	inScript(t, func(s *script) {
		s.serve(func(tag, name, line string) bool {
			switch {
			case name == "SELECT":
				s.say("* 5 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 6] x\r\n%s OK done", tag)
			case name == "UID FETCH" && strings.HasSuffix(line, ":* (UID)"):
				s.say("* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3)\r\n* 4 FETCH (UID 4)\r\n* 5 FETCH (UID 5)\r\n%s OK done", tag)
			case name == "UID FETCH":
				set := strings.Fields(line)[3]
				first, last := set[:1], set[len(set)-1:]
				if first <= "3" && last >= "3" {
					s.say("%s NO message corrupt", tag)
					break
				}
				for uid := first[0]; uid <= last[0]; uid++ {
					s.say("* %c FETCH (UID %c BODY[HEADER]<0> {4}\r\na:b\n)", uid, uid)
				}
				s.say("%s OK done", tag)
			default:
				return false
			}
			return true
		})
	}, func(w *world) {
		w.start(nil)
		var uids []uint32
		for _, s := range w.seen {
			uids = append(uids, s.UID)
		}
		if fmt.Sprint(uids) != "[1 2 4 5]" || w.scanCount() != 1 {
			t.Errorf("uids %v, %d scans, failures %v", uids, w.scanCount(), w.failed)
		}
	})
}

// A server that lists a message and then withholds it is not believed.
func TestWithheldMessage(t *testing.T) {
	inScript(t, func(s *script) {
		s.serve(func(tag, name, line string) bool {
			if name != "UID FETCH" {
				return false
			}
			if strings.HasSuffix(line, "(UID)") {
				s.say("* 1 FETCH (UID 1)")
			}
			s.say("%s OK done", tag)
			return true
		})
	}, func(w *world) {
		w.start(nil)
		if got := w.outcomes(); len(got) != 1 || got[0] != probes.Unknown || w.scanCount() != 0 {
			t.Errorf("failures %v, %d scans", w.failed, w.scanCount())
		}
	})
}

// Without UIDPLUS nothing is deleted: a plain EXPUNGE would take foreign mail too.
func TestNoUIDPlus(t *testing.T) {
	var said []string
	inScript(t, func(s *script) {
		s.caps = "IMAP4rev1 IDLE"
		s.serve(func(tag, name, line string) bool {
			said = append(said, name)
			switch {
			case name == "SELECT":
				s.say("* 1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 2] x\r\n%s OK done", tag)
			case name == "UID FETCH" && strings.HasSuffix(line, "(UID)"):
				s.say("* 1 FETCH (UID 1)\r\n%s OK done", tag)
			case name == "UID FETCH":
				raw := canary(ours, 1)
				s.say("* 1 FETCH (UID 1 BODY[HEADER]<0> {%d}\r\n%s)\r\n%s OK done", len(raw), raw, tag)
			default:
				return false
			}
			return true
		})
	}, func(w *world) {
		w.start(nil)
		w.after(time.Hour)
		w.wantOwn(1)
		for _, name := range said {
			if strings.Contains(name, "STORE") || strings.Contains(name, "EXPUNGE") {
				t.Error("said", name)
			}
		}
		w.end()
		if n := strings.Count(w.log.String(), "lacks UIDPLUS"); n != 1 {
			t.Errorf("said so %d times", n)
		}
	})
}
