package mailtest_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"mailquorum/probes/mailtest"
)

func newReader(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }

// secureMX is a connection for mail from elsewhere.
func (s *site) secureMX() net.Conn {
	s.t.Helper()
	c, err := s.dial("mx")
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *site) imap(options *imapclient.Options) *imapclient.Client {
	s.t.Helper()
	c := imapclient.New(s.secure("imaps"), options)
	if err := c.Login("agent2", "secret-2").Wait(); err != nil {
		s.t.Fatal(err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		s.t.Fatal(err)
	}
	return c
}

func TestDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		open := s.secure("smtps")
		if err := open.(*tls.Conn).Handshake(); err != nil {
			t.Fatal(err)
		}
		mailbox := s.imap(nil)
		defer mailbox.Close()
		if err := errors.Join(s.p.SMTPDown(true), s.p.SMTPDown(true)); err != nil {
			t.Fatal(err)
		}
		for _, service := range []string{"smtps", "submission", "mx"} {
			if _, err := s.dial(service); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%s: %v", service, err)
			}
		}
		io.ReadAll(open) // ends, since the session is cut
		open.Close()
		if err := mailbox.Noop().Wait(); err != nil {
			t.Error("IMAP fell with SMTP:", err)
		}
		if err := errors.Join(s.p.SMTPDown(false), s.p.IMAPDown(true)); err != nil {
			t.Fatal(err)
		}
		if err := mailbox.Noop().Wait(); err == nil {
			t.Error("the IMAP session lives on")
		}
		if _, err := s.submit("agent2@provider.test"); err != nil {
			t.Error("SMTP does not come back:", err)
		}
		if err := s.p.IMAPDown(false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := s.read("INBOX"); len(got) != 1 {
			t.Errorf("%d messages", len(got))
		}
	})
}

func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		seen := make(chan uint32, 10)
		idler := s.imap(&imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
			Mailbox: func(d *imapclient.UnilateralDataMailbox) { seen <- *d.NumMessages },
		}})
		defer idler.Close()
		for len(seen) > 0 {
			<-seen
		}
		idle, err := idler.Idle()
		if err != nil {
			t.Fatal(err)
		}
		asker := s.imap(nil)
		defer asker.Close()
		synctest.Wait()
		s.p.IMAPHang(true)

		fresh, err := s.dial("imaps")
		if err != nil {
			t.Fatal("connections must be accepted:", err)
		}
		defer fresh.Close()
		fresh.SetDeadline(time.Now().Add(20 * time.Second))
		if err := tls.Client(fresh, s.tls()).Handshake(); !isTimeout(err) {
			t.Errorf("fresh connection: %v", err)
		}
		answered := make(chan error, 1)
		go func() { answered <- asker.Noop().Wait() }()
		s.submit("agent2@provider.test") // SMTP and the delivery go on
		time.Sleep(20 * time.Second)
		if inbox, _, _, _ := s.counts(); inbox != 1 {
			t.Error("not delivered")
		}
		if len(seen) != 0 || len(answered) != 0 {
			t.Error("something was answered")
		}
		s.p.IMAPHang(false)
		if err := <-answered; err != nil {
			t.Error("after the hang:", err)
		}
		if n := <-seen; n != 1 {
			t.Errorf("told of %d messages", n)
		}
		if err := errors.Join(idle.Close(), idle.Wait()); err != nil {
			t.Error(err)
		}
		s.p.SMTPHang(true)
		c, err := s.dial("mx")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Minute))
		if n, err := c.Read(make([]byte, 1)); !isTimeout(err) {
			t.Errorf("greeted with %d bytes, %v", n, err)
		}
	}) // closes while SMTP hangs
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

func TestAuth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		try := func(mech sasl.Client) error {
			c := smtp.NewClient(s.secure("smtps"))
			defer c.Close()
			return c.Auth(mech)
		}
		var reply *smtp.SMTPError
		for name, mech := range map[string]sasl.Client{
			"plain":  sasl.NewPlainClient("", "agent1", "secret-1"),
			"login":  sasl.NewLoginClient("AGENT1@provider.test", "secret-1"),
			"domain": sasl.NewPlainClient("", "agent1@provider.test", "secret-1"),
		} {
			if err := try(mech); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, mech := range map[string]sasl.Client{
			"wrong password": sasl.NewPlainClient("", "agent1", "secret-2"),
			"wrong domain":   sasl.NewLoginClient("agent1@elsewhere.test", "secret-1"),
			"nobody":         sasl.NewLoginClient("nobody", ""),
		} {
			if err := try(mech); !errors.As(err, &reply) || reply.Code != 535 || reply.EnhancedCode != (smtp.EnhancedCode{5, 7, 8}) {
				t.Errorf("%s: %v", name, err)
			}
		}
		s.p.RefuseAuth(true)
		if err := try(sasl.NewPlainClient("", "agent1", "secret-1")); !errors.As(err, &reply) || reply.Code != 535 {
			t.Errorf("refused: %v", err)
		}
		c := imapclient.New(s.secure("imaps"), nil)
		defer c.Close()
		var no *imap.Error
		if err := c.Login("agent2", "secret-2").Wait(); !errors.As(err, &no) || no.Code != imap.ResponseCodeAuthenticationFailed {
			t.Errorf("refused: %v", err)
		}
		s.p.RefuseAuth(false)
		s.p.RefuseAuth(true, "agent1")
		if err := c.Authenticate(sasl.NewPlainClient("", "agent2", "secret-2")); err != nil {
			t.Error(err)
		}
		if err := try(sasl.NewPlainClient("", "agent1", "secret-1")); err == nil {
			t.Error("agent1 may log in")
		}

		plain, err := s.dial("submission")
		if err != nil {
			t.Fatal(err)
		}
		clear := smtp.NewClient(plain)
		defer clear.Close()
		if err := clear.Auth(sasl.NewPlainClient("", "agent2", "secret-2")); !errors.As(err, &reply) || reply.Code != 523 {
			t.Errorf("login in clear: %v", err)
		}
		if err := clear.Mail("x@provider.test", nil); !errors.As(err, &reply) || reply.Code != 502 {
			t.Errorf("mail without login: %v", err)
		}
	})
}

func TestRecipients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		for to, want := range map[string]smtp.EnhancedCode{
			"nobody@provider.test":  {5, 1, 1},
			"agent2@elsewhere.test": {5, 7, 1},
		} {
			var reply *smtp.SMTPError
			if _, err := s.submit(to); !errors.As(err, &reply) || reply.EnhancedCode != want {
				t.Errorf("%s: %v", to, err)
			}
		}
		s.p.BlockEgress(s.net.IP("agent.test").String(), true)
		var reply *smtp.SMTPError
		if _, err := s.submit("agent2@provider.test"); !errors.As(err, &reply) || reply.Code != 451 || reply.EnhancedCode != (smtp.EnhancedCode{4, 7, 500}) {
			t.Errorf("blocked: %v", err)
		}
		s.p.BlockEgress(s.net.IP("agent.test").String(), false)
		if _, err := s.submit("AGENT2+Tag@Provider.TEST"); err != nil {
			t.Error(err)
		}
	})
}

func TestSTARTTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		c, err := s.dial("submission")
		if err != nil {
			t.Fatal(err)
		}
		submit, err := smtp.NewClientStartTLS(c, s.tls())
		if err != nil {
			t.Fatal(err)
		}
		defer submit.Close()
		if err := submit.Auth(sasl.NewLoginClient("agent1", "secret-1")); err != nil {
			t.Fatal(err)
		}
		if c, err = s.dial("imap"); err != nil {
			t.Fatal(err)
		}
		mailbox, err := imapclient.NewStartTLS(c, &imapclient.Options{TLSConfig: s.tls()})
		if err != nil {
			t.Fatal(err)
		}
		defer mailbox.Close()
		if err := mailbox.Login("agent2", "secret-2").Wait(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestCertificates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, err := mailtest.NewCA()
		if err != nil {
			t.Fatal(err)
		}
		s := newSite(t)
		stranger, _ := ca.Leaf(s.p.Host())
		if err := s.p.UseCertificate(stranger); err != nil {
			t.Fatal(err)
		}
		c := s.secure("imaps").(*tls.Conn)
		defer c.Close()
		var unknown x509.UnknownAuthorityError
		if err := c.Handshake(); !errors.As(err, &unknown) {
			t.Errorf("got %v", err)
		}
		if err := s.p.UseCertificate(tls.Certificate{}); err != nil {
			t.Fatal(err)
		}
		again := s.secure("imaps").(*tls.Conn)
		defer again.Close()
		if err := again.Handshake(); err != nil {
			t.Error(err)
		}
	})
}

func TestFolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		c := s.imap(nil)
		defer c.Close()
		if err := c.Create("Archive", nil).Wait(); err != nil {
			t.Fatal(err)
		}
		if err := c.Rename("Archive", "Attic", nil).Wait(); err != nil {
			t.Fatal(err)
		}
		list, err := c.List("", "*", &imap.ListOptions{ReturnSpecialUse: true, ReturnStatus: &imap.StatusOptions{NumMessages: true}}).Collect()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range list {
			text := l.Mailbox
			for _, a := range l.Attrs {
				text += " " + string(a)
			}
			got = append(got, text)
		}
		if text := strings.Join(got, ", "); text != `Attic, INBOX, Junk \Junk, Sent \Sent, Trash \Trash` {
			t.Errorf("folders: %s", text)
		}
		junk, err := c.List("", "*", &imap.ListOptions{SelectSpecialUse: true}).Collect()
		if err != nil || len(junk) != 3 {
			t.Errorf("special use: %v, %v", junk, err)
		}
		if err := c.Delete("Attic").Wait(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestSharedMailbox: what one session deletes, by UID and nothing else, another
// hears of in IDLE; and so of Expunge and Recreate.
func TestSharedMailbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		for range 3 {
			s.p.Put("agent2", "INBOX", []byte(letter))
		}
		gone := make(chan uint32, 10)
		idler := s.imap(&imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{Expunge: func(n uint32) { gone <- n }}})
		defer idler.Close()
		idle, err := idler.Idle()
		if err != nil {
			t.Fatal(err)
		}
		c := s.imap(nil)
		defer c.Close()
		first, _ := c.Select("INBOX", nil).Wait()
		two := imap.UIDSetNum(2)
		if err := c.Store(two, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
			t.Fatal(err)
		}
		if err := c.UIDExpunge(two).Close(); err != nil {
			t.Fatal(err)
		}
		if n := <-gone; n != 2 {
			t.Errorf("message %d is gone", n)
		}
		if err := s.p.Expunge("agent2", "INBOX"); err != nil {
			t.Fatal(err)
		}
		if a, b := <-gone, <-gone; a != 2 || b != 1 {
			t.Errorf("gone: %d, %d", a, b)
		}
		if err := s.p.Recreate("agent2", "INBOX"); err != nil {
			t.Fatal(err)
		}
		if err := idle.Wait(); err == nil {
			t.Error("the session outlived its mailbox")
		}
		again := s.imap(nil)
		defer again.Close()
		data, err := again.Select("INBOX", nil).Wait()
		if err != nil || data.UIDValidity == first.UIDValidity || data.NumMessages != 0 {
			t.Errorf("after recreating: %+v, %v", data, err)
		}
	})
}

// TestCloseWithEverythingOpen: nothing is left behind, in a bubble (which checks
// that by itself) or out of one.
func TestCloseWithEverythingOpen(t *testing.T) {
	mess := func(t *testing.T) {
		s := newSite(t)
		s.p.Set(mailtest.Slow(time.Hour), "agent2")
		s.p.Set(mailtest.Hold, "agent1")
		s.submit("agent1@provider.test")
		s.p.Set(mailtest.Late(time.Hour), "agent1")
		s.submit("agent1@provider.test")
		idler := s.imap(nil)
		if _, err := idler.Idle(); err != nil {
			t.Fatal(err)
		}
		waiting := make(chan error)
		go func() {
			_, err := s.submit("agent2@provider.test")
			waiting <- err
		}()
		half, err := s.dial("smtps") // never shakes hands
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
		s.p.IMAPHang(true)
		s.p.Put("agent2", "INBOX", []byte(letter))
		if err := s.p.Close(); err != nil {
			t.Error(err)
		}
		if err := <-waiting; err == nil {
			t.Error("the submission went well")
		}
		half.Close()
		idler.Close()
	}
	t.Run("bubble", func(t *testing.T) { synctest.Test(t, mess) })
	t.Run("real", func(t *testing.T) {
		defer goleak.VerifyNone(t)
		mess(t)
	})
}
