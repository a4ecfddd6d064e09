package agent

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"mailquorum/probes"
	"mailquorum/probes/collect"
	"mailquorum/probes/mailtest"
	"mailquorum/probes/submit"
)

// noSecret fails the test if the password is in text in any form in which it
// goes over the wire.
func noSecret(t *testing.T, text string) {
	t.Helper()
	for _, form := range []string{worldPassword, base64.StdEncoding.EncodeToString([]byte(worldPassword)),
		base64.StdEncoding.EncodeToString([]byte("\x00canary\x00" + worldPassword))} {
		if strings.Contains(text, strings.TrimRight(form, "=")) {
			t.Errorf("a secret is shown:\n%s", text)
		}
	}
}

func TestTheLastFailureIsKeptOverARestart(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		if code, page := w.get("/debug/transcript/here-mail"); code != 200 || strings.Count(page, "none so far") != 2 {
			t.Errorf("%d\n%s", code, page)
		}
		if code, _ := w.get("/debug/transcript/elsewhere"); code != 404 {
			t.Errorf("a route that is not there: %d", code)
		}
		w.provider.RefuseAuth(true)
		w.provider.CutIMAP()
		c := w.has(3*time.Minute, probes.AuthFailed)
		w.within(2*time.Minute, "both sides", func() bool {
			_, page := w.get("/debug/transcript/here-mail")
			return !strings.Contains(page, "none so far")
		})
		w.stop()
		w.start()
		_, page := w.get("/debug/transcript/here-mail")
		for _, want := range []string{"canary " + c.ID.String() + " auth_failed at stage auth", "EHLO provider.test", "S  535 ", "logging in as canary",
			"mailbox canaries", "auth_failed at stage retrieve", "what to do: "} {
			if !strings.Contains(page, want) {
				t.Errorf("missing: %s\n%s", want, page)
			}
		}
		noSecret(t, page)
	})
}

// Of a canary that was accepted and never seen, the last words are the server's.
func TestALostCanaryHasItsDialogue(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.provider.Set(mailtest.Drop)
		c := w.has(8*time.Minute, probes.Lost)
		_, page := w.get("/debug/transcript/here-mail")
		for _, want := range []string{"lost at stage transit", "the message, ", c.QueueID} {
			if !strings.Contains(page, want) {
				t.Errorf("missing: %s\n%s", want, page)
			}
		}
	})
}

// echo is a server that says back whatever it is told, credentials too.
func echo(c net.Conn, greeting, refuse string) {
	fmt.Fprintf(c, "%s\r\n", greeting)
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		tag, rest, _ := strings.Cut(lines.Text(), " ")
		switch {
		case strings.HasPrefix(lines.Text(), "EHLO"):
			fmt.Fprint(c, "250-echo\r\n250 AUTH PLAIN LOGIN\r\n")
		case strings.HasPrefix(rest, "CAPABILITY"):
			fmt.Fprintf(c, "* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n%s OK\r\n", tag)
		default:
			fmt.Fprintf(c, refuse+"\r\n", tag, lines.Text())
		}
	}
	c.Close()
}

func TestAServerThatEchoesThePasswordShowsItToNobody(t *testing.T) {
	change := func(c *Config) {
		s, m := &c.Routes[0].Submit, &c.Mailboxes[0]
		s.Address, s.TLS, s.TLSConfig, s.AllowPlainAuth = "echo.test:25", submit.Plain, nil, true
		m.Address, m.TLS = "echo.test:143", collect.Plain
	}
	inWorld(t, change, func(w *world) {
		for address, words := range map[string][2]string{
			"echo.test:25":  {"220 echo", "535-5.7.8 %[2]s\r\n535 5.7.8 no: %[2]s"},
			"echo.test:143": {"* OK echo", "* NO %[2]s\r\n%[1]s NO [AUTHENTICATIONFAILED] %[2]s"},
		} {
			l, err := w.network.Listen(address)
			if err != nil {
				t.Fatal(err)
			}
			defer mailtest.Serve(l, nil, func(c net.Conn) { echo(c, words[0], words[1]) })()
		}
		w.has(3*time.Minute, probes.AuthFailed)
		var page string
		w.within(10*time.Minute, "both sides", func() bool {
			_, page = w.get("/debug/transcript/here-mail")
			return !strings.Contains(page, "none so far") && strings.Count(page, "<secret>") > 1
		})
		noSecret(t, page)
		for _, c := range w.canaries() {
			noSecret(t, fmt.Sprintf("%+v", c))
		}
	})
}
