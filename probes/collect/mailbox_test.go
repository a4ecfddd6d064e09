package collect

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"mailquorum/internal/secret"
	"mailquorum/probes"
)

func TestIdleArrival(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(nil)
		w.after(time.Minute)
		put := time.Now()
		w.put("INBOX", canary(ours, 1))
		w.after(time.Second)
		w.wantOwn(1)
		// The announcement is late by design, and nothing was expected.
		if s := w.last(); s.At.Sub(put) != 500*time.Millisecond || s.Folder != "INBOX" || s.Junk || s.UID != 1 || s.UIDValidity != 1 || s.Mailbox != "box" || s.Size == 0 || s.Internal.IsZero() {
			t.Errorf("%v after the delivery: %+v", s.At.Sub(put), s)
		}
		if n := w.count("INBOX"); n != 0 {
			t.Errorf("%d messages left", n)
		}
		w.wantFailures()
	})
}

func TestExpectLatency(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(nil)
		for i, transit := range []time.Duration{0, 30 * time.Millisecond, time.Second, 4 * time.Second, 40 * time.Second} {
			w.after(time.Minute)
			w.box.Expect(time.Minute)
			w.after(transit)
			put := time.Now()
			w.put("INBOX", canary(ours, byte(i)))
			w.after(5 * time.Second)
			late := w.last().At.Sub(put)
			if most := 25*time.Millisecond + transit/25; late > most {
				t.Errorf("a transit of %v is measured %v too long, want at most %v", transit, late, most)
			}
		}
		w.wantOwn(0, 1, 2, 3, 4)
		w.wantFailures()
	})
}

// Where nothing comes, polling ends when the arrival is no longer likely.
func TestExpectEnds(t *testing.T) {
	var noops atomic.Int64
	inScript(t, func(s *script) {
		s.serve(func(_, name, _ string) bool {
			if name == "NOOP" {
				noops.Add(1)
			}
			return false
		})
	}, func(w *world) {
		w.start(nil)
		w.box.Expect(10 * time.Second)
		w.after(10 * time.Second)
		polled := noops.Load()
		if polled < 60 || polled > 100 {
			t.Errorf("%d NOOPs in 10 s", polled)
		}
		w.after(4 * time.Minute)
		if more := noops.Load() - polled; more > 2 {
			t.Errorf("%d NOOPs when nothing is expected", more)
		}
	})
}

func TestPollingWithoutIdle(t *testing.T) {
	var idled atomic.Bool
	inScript(t, func(s *script) {
		exists := 0
		s.say("* OK [CAPABILITY IMAP4rev1] ready")
		for {
			tag, name, _, ok := s.command()
			if !ok {
				return
			}
			switch name {
			case "CAPABILITY":
				s.say("* CAPABILITY IMAP4rev1")
			case "SELECT":
				s.say("* %d EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 1] x", exists)
			case "IDLE":
				idled.Store(true)
			case "NOOP":
				exists = 1
				s.say("* 1 EXISTS")
			case "UID FETCH":
				if exists == 1 {
					s.say("* 1 FETCH (UID 1 BODY[HEADER]<0> {4}\r\na:b\n)")
				}
			}
			s.say("%s OK done", tag)
		}
	}, func(w *world) {
		w.start(nil)
		w.after(5 * time.Second)
		if s := w.last(); idled.Load() || string(s.Header) != "a:b\n" {
			t.Errorf("idle %v, %+v", idled.Load(), s)
		}
		w.wantFailures()
	})
}

func TestJunk(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(nil)
		w.after(time.Second)
		w.box.Expect(time.Minute)
		w.put("Junk", canary(ours, 1))
		w.put("Junk", foreign(1))
		w.after(3 * time.Second) // while something is expected
		w.wantOwn(1)
		if s := w.first(); !s.Junk || s.Folder != "Junk" {
			t.Errorf("%+v", s)
		}
		w.after(10 * time.Minute)
		w.put("Junk", canary(ours, 2))
		w.after(time.Second)
		w.wantOwn(1)
		scans := w.scanCount()
		w.box.Scan()
		w.after(time.Second)
		w.wantOwn(1, 2)
		if w.scanCount() != scans+1 {
			t.Errorf("%d scans, want one more than %d", w.scanCount(), scans)
		}
		w.put("Junk", canary(ours, 3))
		w.after(5 * time.Minute) // and without being asked, each time that IDLE has lasted long enough
		w.wantOwn(1, 2, 3)
		if n := w.count("Junk"); n != 1 {
			t.Errorf("%d messages left in junk, want the foreign one", n)
		}
		w.wantFailures()
	})
}

// The whole mailbox is looked at when watching begins: 20,000 foreign mails, and
// canaries of a life before, are found in bounded batches and left as they are.
func TestRestartFindsOldMail(t *testing.T) {
	inWorld(t, func(w *world) {
		const many = 20_000
		for i := range many {
			if i%5000 == 0 {
				w.put("INBOX", canary(ours, byte(i/5000)))
			}
			w.put("INBOX", foreign(i))
		}
		w.put("INBOX", canary(theirs, 9))
		w.put("Junk", canary(ours, 4))
		w.start(nil)
		w.after(time.Second)
		w.wantOwn(0, 1, 2, 3, 4)
		if n := w.count("INBOX"); n != many+1 {
			t.Errorf("%d messages are left, want the %d foreign ones", n, many+1)
		}
		if n := w.scanCount(); n != 1 {
			t.Errorf("%d scans", n)
		}
		seen := w.seenCount()
		w.after(time.Hour)
		if w.seenCount() != seen || seen != many+6 {
			t.Errorf("%d sightings, then %d: want each message once", seen, w.seenCount())
		}
		w.wantFailures()
	})
}

// Nothing that is not ours is touched, not even where somebody marked it deleted.
func TestKeep(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put("INBOX", foreign(1))
		w.put("INBOX", canary(ours, 1))
		w.put("Junk", canary(ours, 2))
		w.start(func(c *Config) { c.Keep = 10 * time.Minute })
		w.after(9 * time.Minute)
		if in, junk := w.count("INBOX"), w.count("Junk"); in != 2 || junk != 1 {
			t.Errorf("INBOX %d, junk %d after 9 minutes", in, junk)
		}
		w.p.CutIMAP()
		w.after(2 * time.Minute)
		if in, junk := w.count("INBOX"), w.count("Junk"); in != 1 || junk != 0 {
			t.Errorf("INBOX %d, junk %d after 11 minutes", in, junk)
		}
		w.wantOwn(1, 2)
		w.wantFailures()
	})
}

func TestUIDValidityChange(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put("INBOX", canary(ours, 1))
		w.put("INBOX", foreign(1))
		w.start(nil)
		w.after(time.Minute)
		if err := w.p.Recreate("agent1", "INBOX"); err != nil {
			t.Fatal(err)
		}
		w.put("INBOX", canary(ours, 2))
		w.box.Scan()
		w.after(time.Minute)
		w.wantOwn(1, 2)
		if len(w.told()) != 1 {
			t.Errorf("resets: %q", w.told())
		}
		w.put("INBOX", canary(ours, 3))
		w.after(time.Second)
		w.wantOwn(1, 2, 3)
		w.wantFailures()
	})
}

func TestEmptied(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put("INBOX", foreign(1))
		w.start(nil)
		if err := w.p.Expunge("agent1", "INBOX"); err != nil {
			t.Fatal(err)
		}
		w.box.Scan()
		w.after(time.Second)
		if want := []string{"INBOX: emptied"}; !slices.Equal(w.told(), want) {
			t.Errorf("resets: %q, want %q", w.told(), want)
		}
		// What comes and goes while nobody can look.
		if err := w.p.IMAPDown(true); err != nil {
			t.Fatal(err)
		}
		w.put("INBOX", canary(ours, 1))
		if err := w.p.Expunge("agent1", "INBOX"); err != nil {
			t.Fatal(err)
		}
		w.after(time.Minute)
		if err := w.p.IMAPDown(false); err != nil {
			t.Fatal(err)
		}
		scans := w.scanCount()
		w.after(time.Minute)
		if want := []string{"INBOX: emptied", "INBOX: emptied while it was not watched"}; !slices.Equal(w.told(), want) || w.scanCount() == scans {
			t.Errorf("resets: %q, want %q", w.told(), want)
		}
		w.wantOwn()
		w.put("INBOX", canary(ours, 2))
		w.after(time.Second)
		w.wantOwn(2)
		if len(w.outcomes()) == 0 {
			t.Error("a server that is down is no failure")
		}
	})
}

// Agents that share a mailbox delete their own canaries all the time: no reason
// to call the mailbox emptied.
func TestSharedMailbox(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put("INBOX", canary(theirs, 1))
		w.start(nil)
		for range 5 {
			w.p.CutIMAP()
			w.put("INBOX", canary(theirs, 2))
			if err := w.p.Expunge("agent1", "INBOX"); err != nil {
				t.Fatal(err)
			}
			w.after(time.Minute)
		}
		if len(w.told()) != 0 {
			t.Errorf("resets: %q", w.told())
		}
	})
}

// A connection that worked and is cut is opened again: no failure of anybody.
func TestConnectionCut(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(nil)
		w.after(time.Minute)
		w.p.CutIMAP()
		w.put("INBOX", canary(ours, 1))
		w.after(time.Second)
		w.wantOwn(1)
		w.wantFailures()
		w.p.CutIMAP() // too soon to be an accident
		w.after(10 * time.Second)
		w.wantFailures(probes.Failed)
		w.put("INBOX", canary(ours, 2))
		w.after(time.Second)
		w.wantOwn(1, 2)
	})
}

func TestServerDown(t *testing.T) {
	inWorld(t, func(w *world) {
		if err := w.p.IMAPDown(true); err != nil {
			t.Fatal(err)
		}
		w.start(nil)
		w.after(10 * time.Minute)
		n := len(w.outcomes())
		if n < 15 || n > 40 || w.scanCount() != 0 {
			t.Errorf("%d failures in 10 minutes, %d scans", n, w.scanCount())
		}
		if err := w.p.IMAPDown(false); err != nil {
			t.Fatal(err)
		}
		w.after(40 * time.Second)
		if w.scanCount() == 0 {
			t.Error("not connected again")
		}
	})
}

// A peer that falls silent is found within the watchdog once something is asked
// of it, in IDLE too.
func TestSilentPeer(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(func(c *Config) { c.Idle = 2 * time.Minute })
		w.after(time.Minute)
		w.p.IMAPHang(true)
		w.after(time.Minute)
		w.wantFailures()
		w.after(30 * time.Second)
		w.wantFailures(probes.Failed)
		w.p.IMAPHang(false)
		w.after(2 * time.Minute)
		scans := w.scanCount()
		w.p.IMAPHang(true)
		w.box.Scan()
		w.after(29 * time.Second)
		w.wantFailures(probes.Failed)
		w.after(2 * time.Second)
		w.wantFailures(probes.Failed, probes.Failed)
		if w.scanCount() != scans {
			t.Error("a scan of a silent server")
		}
		w.p.IMAPHang(false)
	})
}

// A network that swallows packets looks the same.
func TestPartition(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(nil)
		w.net.Cut("agent.test", host, true)
		w.box.Expect(time.Minute)
		w.after(31 * time.Second)
		w.wantFailures(probes.Failed)
		w.put("INBOX", canary(ours, 1))
		w.after(10 * time.Minute)
		w.net.Cut("agent.test", host, false)
		w.after(time.Minute)
		w.wantOwn(1)
	})
}

func TestWrongPassword(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(func(c *Config) { c.Password = secret.New("planted-marker") })
		w.after(time.Hour)
		got := w.outcomes()
		if len(got) < 10 || len(got) > 25 {
			t.Errorf("%d attempts in an hour: the account would be locked, or never found again", len(got))
		}
		for i, o := range got {
			if o != probes.AuthFailed || w.failed[i].Temporary || w.failed[i].Hint == "" {
				t.Fatalf("%v: %+v", o, w.failed[i])
			}
		}
	})
}

func TestTLS(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		ok     bool
	}{
		{"implicit", func(c *Config) {}, true},
		{"starttls", func(c *Config) { c.TLS, c.Address = STARTTLS, host+":143" }, true},
		{"LOGIN", func(c *Config) { c.Mechanism = MechanismLogin }, true},
		{"TLS on the wrong port", func(c *Config) { c.Address = host + ":143" }, false},
		{"plain refused by the server", func(c *Config) { c.TLS, c.Address = Plain, host+":143" }, false},
		{"unknown CA", func(c *Config) { c.TLSConfig = nil }, false},
		{"wrong name", func(c *Config) { c.TLSConfig.ServerName = "elsewhere.test" }, false},
		{"unknown host", func(c *Config) { c.Address = "nowhere.test:993" }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.put("INBOX", canary(ours, 1))
				w.start(c.change)
				if c.ok {
					w.wantOwn(1)
					w.wantFailures()
					return
				}
				w.wantOwn()
				if len(w.failed) == 0 || w.failed[0].Hint == "" {
					t.Errorf("failures: %v", w.failed)
				}
			})
		})
	}
}

func TestBadConfiguration(t *testing.T) {
	for _, c := range []Config{{}, {Address: "a:1", TLS: "none"}, {Address: "a:1", Mechanism: "magic"}} {
		if err := New(c, Handler{}).Run(t.Context()); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}

// Thousands of late mails at once are drained in batches, each seen once.
func TestBurst(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(nil)
		for i := range 3000 {
			w.put("INBOX", canary(ours, byte(i)))
		}
		w.after(2 * time.Second)
		if n := len(w.own()); n != 3000 {
			t.Errorf("%d seen", n)
		}
		if n := w.count("INBOX"); n != 0 {
			t.Errorf("%d left", n)
		}
		w.wantFailures()
	})
}
