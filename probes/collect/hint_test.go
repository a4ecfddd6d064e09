package collect

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"strings"
	"testing"
	"time"

	"mailquorum/internal/secret"
	"mailquorum/probes"
)

// wantHint waits for the first failure, and wants its outcome and words of its hint.
func (w *world) wantHint(o probes.Outcome, hint string) {
	w.Helper()
	w.after(time.Minute)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.failed) == 0 {
		w.Fatal("no failure")
	}
	if e := w.failed[0]; e.Outcome != o || !strings.Contains(e.Hint, hint) {
		w.Errorf("%v: %v, hint %q; want %v, %q", e, e.Outcome, e.Hint, o, hint)
	}
}

// What a newcomer gets wrong against a server that is well.
func TestHintsAtTheConfiguration(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   probes.Outcome
		hint   string
	}{
		{"closed port", func(c *Config) { c.Address = host + ":994" }, probes.Failed, "nothing listens on that port: check address"},
		{"unknown host", func(c *Config) { c.Address = "nowhere.test:993" }, probes.Failed, "check address"},
		{"implicit on the port for STARTTLS", func(c *Config) { c.Address = host + ":143" }, probes.Failed, "in clear text on port 143: set tls: starttls"},
		{"STARTTLS on the port for implicit", func(c *Config) { c.TLS = STARTTLS }, probes.Failed, "set tls: implicit (usually port 993)"},
		{"plain on the port for implicit", func(c *Config) { c.TLS = Plain }, probes.Failed, "set tls: implicit (usually port 993)"},
		{"unknown CA", func(c *Config) { c.TLSConfig = &tls.Config{RootCAs: x509.NewCertPool()} }, probes.Failed, "set ca_file"},
		{"other name", func(c *Config) { c.TLSConfig.ServerName = "elsewhere.test" }, probes.Failed, "for other names: " + host},
		{"expired", func(c *Config) {
			c.TLSConfig.Time = func() time.Time { return time.Now().AddDate(100, 0, 0) }
		}, probes.Failed, "the certificate is valid from "},
		{"wrong password", func(c *Config) { c.Password = secret.New("wrong") }, probes.AuthFailed, "check user name and password"},
		{"missing folder", func(c *Config) { c.Folder = "Canaries" }, probes.Unknown, `no folder "Canaries": set folder:`},
		{"missing junk folder", func(c *Config) { c.Junk = "Bulk" }, probes.Unknown, `no folder "Bulk": set junk:`},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.start(c.change)
				w.wantHint(c.want, c.hint)
			})
		})
	}
}

// The same against servers of other kinds and other words.
func TestHintsAtOtherServers(t *testing.T) {
	says := func(greeting string) func(*script) {
		return func(s *script) { s.say("%s", greeting); s.command() }
	}
	noFolder := func(text string) func(*script) {
		return func(s *script) {
			s.serve(func(tag, name, _ string) bool {
				if name == "SELECT" {
					s.say("%s NO %s", tag, text)
				}
				return name == "SELECT"
			})
		}
	}
	for _, c := range []struct {
		name  string
		serve func(*script)
		mode  TLSMode
		want  probes.Outcome
		hint  string
	}{
		{"SMTP in clear", says("220 mail.example ESMTP"), Plain, probes.Unknown, hintSMTP},
		{"SMTP of several lines", says("220-mail.example ESMTP\r\n220 hi"), Plain, probes.Unknown, hintSMTP},
		{"SMTP that refuses", says("554 no"), STARTTLS, probes.Unknown, hintSMTP},
		{"SMTP for STARTTLS", says("220 mail.example ESMTP"), STARTTLS, probes.Unknown, hintSMTP},
		{"SMTP where TLS is wanted", says("220 mail.example ESMTP"), Implicit, probes.Failed, hintSMTP},
		{"IMAP where TLS is wanted", says("* OK ready"), Implicit, probes.Failed, "in clear text on port 143: set tls: starttls"},
		{"another protocol where TLS is wanted", says("SSH-2.0-x"), Implicit, probes.Failed, "speaks no TLS"},
		{"silence where TLS is wanted", func(s *script) { io.Copy(io.Discard, s) }, Implicit, probes.Failed, "set tls: starttls"},
		{"silence", func(s *script) { s.command() }, STARTTLS, probes.Failed, "set tls: implicit"},
		{"no folder, Dovecot", noFolder("Mailbox doesn't exist: Canaries"), Plain, probes.Unknown, `no folder "Canaries": set folder:`},
		{"no folder, Exchange", noFolder("Canaries doesn't exist."), Plain, probes.Unknown, `no folder "Canaries": set folder:`},
		{"a folder that cannot be opened", noFolder("I/O error"), Plain, probes.Failed, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inScript(t, c.serve, func(w *world) {
				w.start(func(cfg *Config) { cfg.TLS, cfg.Folder = c.mode, "Canaries" })
				w.wantHint(c.want, c.hint)
			})
		})
	}
}

func TestHowSMTPGreets(t *testing.T) {
	if !smtpSpeaks("220 x") || !smtpSpeaks("220-x") || smtpSpeaks("220") || smtpSpeaks("* OK") || smtpSpeaks("") {
		t.Error("SMTP is not told from IMAP")
	}
}
