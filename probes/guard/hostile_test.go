package guard_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"mailquorum/probes/guard"
	"mailquorum/probes/mailtest"
)

const (
	wholeDialogue = time.Minute // absolute deadline of a dialogue
	tolerance     = wholeDialogue / 10
	maxMemory     = 64 << 20 // bytes that the process takes from the system
)

// dialogue is what a probe does over a guarded connection; top is that
// connection, or TLS over it.
type dialogue func(g *guard.Conn, top net.Conn, deadline time.Time) error

// meet lets a dialogue meet a hostile server in virtual time: it ends in time,
// leaves no goroutine behind, and takes no memory to speak of.
func meet(t *testing.T, h mailtest.Hostile, secure bool, talk dialogue) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := mailtest.NewNetwork()
		ca, err := mailtest.NewCA()
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := ca.Leaf("hostile.test")
		if err != nil {
			t.Fatal(err)
		}
		l, err := n.Listen("hostile.test:1")
		if err != nil {
			t.Fatal(err)
		}
		var cfg *tls.Config
		if secure {
			cfg = &tls.Config{Certificates: []tls.Certificate{leaf}}
		}
		stop := mailtest.Serve(l, cfg, h.Serve)
		defer stop()
		raw, err := n.Dial("probe.test")(context.Background(), "tcp", "hostile.test:1")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		deadline := began.Add(wholeDialogue)
		g := guard.New(raw, guard.Handshake, deadline)
		top := net.Conn(g)
		if secure {
			top = tls.Client(g, &tls.Config{RootCAs: ca.Pool(), ServerName: "hostile.test"})
		}
		err = talk(g, top, deadline)
		top.Close()
		if took := time.Since(began); took > wholeDialogue+tolerance {
			t.Errorf("took %v", took)
		}
		t.Logf("%v: %.200v", time.Since(began), g.Explain(err))
	})
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.Sys > maxMemory {
		t.Errorf("process holds %d MiB", m.Sys>>20)
	}
}

// talkSMTP submits a message of so many bytes.
func talkSMTP(size int) dialogue {
	line := []byte("0123456789abcdef0123456789abcdef\r\n")
	message := bytes.Repeat(line, size/len(line)+1)
	return func(g *guard.Conn, top net.Conn, deadline time.Time) error { return submit(g, top, deadline, message) }
}

func submit(g *guard.Conn, top net.Conn, deadline time.Time, message []byte) error {
	c := smtp.NewClient(top)
	defer c.Close()
	var data *smtp.DataCommand
	for i, step := range []func() error{
		func() error { return c.Hello("probe.test") },
		func() error { return c.Auth(sasl.NewPlainClient("", "u", "p")) },
		func() error { return c.Mail("u@hostile.test", nil) },
		func() error { return c.Rcpt("v@hostile.test", nil) },
		func() (err error) { data, err = c.Data(); return err },
		func() error { _, err := data.Write(message); return err },
		func() error { return data.Close() },
		func() error { return c.Quit() },
	} {
		if i > 0 {
			g.Arm(guard.SMTPReply, deadline)
		}
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func talkIMAP(g *guard.Conn, top net.Conn, deadline time.Time) error {
	c := imapclient.New(g.IMAP(top), nil)
	defer c.Close()
	for _, step := range []struct {
		budget guard.Budget
		do     func() error
	}{
		{guard.Handshake, c.WaitGreeting},
		{guard.IMAPReply, func() error { return c.Login("u", "p").Wait() }},
		{guard.IMAPReply, func() error { _, err := c.Select("INBOX", nil).Wait(); return err }},
		{guard.IMAPReply, func() error { _, err := c.List("", "*", nil).Collect(); return err }},
		{fetchBudget, func() error {
			_, err := c.Fetch(imap.UIDSet{{Start: 1}}, &imap.FetchOptions{UID: true, RFC822Size: true,
				BodySection: []*imap.FetchItemBodySection{{Specifier: imap.PartSpecifierHeader, Peek: true}}}).Collect()
			return err
		}},
		{guard.IMAPReply, func() error { return c.Noop().Wait() }},
		{guard.IMAPIdle, func() error {
			idle, err := c.Idle()
			if err != nil {
				return err
			}
			time.Sleep(10 * time.Second)
			if err := idle.Close(); err != nil {
				return err
			}
			return idle.Wait()
		}},
		{guard.IMAPReply, func() error { return c.Logout().Wait() }},
	} {
		g.Arm(step.budget, deadline)
		if err := step.do(); err != nil {
			return err
		}
	}
	return nil
}

func TestHostileSMTP(t *testing.T) {
	for _, h := range mailtest.HostileSMTP() {
		size := 1000
		if h.Name == "deaf after DATA" {
			size = 2 << 20 // more than a connection buffers
		}
		t.Run(h.Name, func(t *testing.T) { meet(t, h, false, talkSMTP(size)) })
		t.Run("TLS/"+h.Name, func(t *testing.T) { meet(t, h, true, talkSMTP(size)) })
	}
}

func TestHostileIMAP(t *testing.T) {
	for _, h := range mailtest.HostileIMAP() {
		t.Run(h.Name, func(t *testing.T) { meet(t, h, false, talkIMAP) })
		if !strings.HasSuffix(h.Name, "without end") { // which cost the library most
			t.Run("TLS/"+h.Name, func(t *testing.T) { meet(t, h, true, talkIMAP) })
		}
	}
}
