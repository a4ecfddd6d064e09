package submit

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"syscall"
	"time"

	"mailquorum/probes"
	"mailquorum/probes/guard"
)

// hintOfReply tells the user what to mend when the server has said no; empty
// where there is nothing of the user's to mend.
func hintOfReply(cfg Config, stage probes.Stage, r probes.Reply) string {
	text := strings.ToLower(r.Text)
	switch {
	case says(text, []string{"application-specific password", "app password", "invalidsecondfactor"}):
		return "the account wants an app password: make one for the canary account"
	case says(text, []string{"smtpclientauthentication is disabled", "basic authentication is disabled"}):
		return "the provider has switched off passwords for SMTP: log in with tokens, see oauth in the agent's configuration"
	case stage == probes.StageAuth && r.Code == 535 && cfg.Tokens != nil:
		return fmt.Sprintf("the provider refuses the token for %q: check its scopes, and whether the account may use SMTP", probes.Clean(cfg.Username))
	case stage == probes.StageAuth && r.Code == 535:
		return fmt.Sprintf("wrong username or password for %q, or the account may not use SMTP", probes.Clean(cfg.Username))
	case stage == probes.StageAuth && (r.Code == 534 || r.Code == 504):
		return "the server refuses this mechanism: try another one, or the provider's token login"
	case stage == probes.StageAuth && r.Code == 538:
		return "the server wants TLS before a password: set tls: implicit or starttls"
	case r.Code == 530 && strings.Contains(text, "starttls"):
		return "the server wants TLS: set tls: starttls"
	case r.Code == 530:
		return "the server wants a login: set username and password"
	case says(text, fullWords), strings.HasSuffix(r.Enhanced, ".2.2"):
		return "the canary's mailbox is full: empty it"
	case strings.Contains(text, "internal resource") && strings.Contains(text, "mimecast"):
		return "Mimecast answers so when it greylists an unknown sender: permit the canary's sender address"
	case Greylisted(&probes.Error{Stage: stage, Outcome: probes.Throttled, Reply: r}):
		return "the server greylists the canary's sender: an agent tries again by itself, a check may be repeated in five minutes; or permit the sender"
	case strings.Contains(text, "relay"):
		return "the server relays for this account or address not at all: check username, from and to"
	case stage == probes.StageConnect && r.Code == 550 && strings.Contains(text, "helo"):
		return "the server refuses the name in EHLO: set hello to a name that resolves to this host"
	case r.Code >= 550 && strings.HasPrefix(r.Enhanced, "5.7."):
		return "the server's policy refuses the canary: permit its sender, or look for a block list, a sending limit or an SPF failure in the reply"
	}
	return ""
}

// hintOfError does the same when there was no reply.
func hintOfError(cfg Config, stage probes.Stage, err error) string {
	_, port, _ := net.SplitHostPort(cfg.Address)
	var (
		dns      *net.DNSError
		name     x509.HostnameError
		unknown  x509.UnknownAuthorityError
		invalid  x509.CertificateInvalidError
		record   tls.RecordHeaderError
		protocol textproto.ProtocolError
	)
	switch {
	case errors.Is(err, errNoSTARTTLS):
		return "somebody on the way may have stripped it; if the server really has none, use its port with tls: implicit (465)"
	case errors.Is(err, errInjected):
		return "somebody on the way may be injecting commands"
	case errors.Is(err, errNoAuth):
		return fmt.Sprintf("port %s may not be the submission port (465 or 587), or the server wants TLS first", port)
	case errors.Is(err, errMechanism):
		return "the server offers other ways to log in: check mechanism"
	case errors.As(err, &protocol):
		return "the server does not speak SMTP as we know it: check host and port"
	case errors.Is(err, guard.ErrBytes):
		return "the server says far more than SMTP has to say: check host and port"
	case exhausted(err):
		return "this machine is out of file descriptors or memory"
	case errors.Is(err, errNullMX):
		return "check the domain; if it did take mail before, its DNS is wrong"
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("no such host: check the name %q", probes.Clean(dns.Name))
	case errors.As(err, &name):
		return fmt.Sprintf("the certificate is for other names: %s; check the host in address, or set the server name", namesOf(name.Certificate))
	case errors.As(err, &unknown):
		return "the certificate's issuer is not known here: name the provider's CA file, or mend this machine's trust store"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the certificate is valid from %s to %s: if that includes today, this machine's clock is wrong",
			invalid.Cert.NotBefore.UTC().Format(time.DateOnly), invalid.Cert.NotAfter.UTC().Format(time.DateOnly))
	case errors.As(err, &record) && strings.HasPrefix(string(record.RecordHeader[:]), "220"):
		return fmt.Sprintf("the server greets in clear text on port %s: set tls: starttls", port)
	case stage == probes.StageConnect && cfg.TLS != Implicit && port == "465" && isTimeout(err):
		return "port 465 speaks TLS from the first byte: set tls: implicit"
	case stage == probes.StageTLS && cfg.TLS == Implicit && isTimeout(err):
		return "no answer to the TLS handshake: if the port wants STARTTLS (587), set tls: starttls"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens on that port: check address"
	}
	return ""
}

func isTimeout(err error) bool {
	var e net.Error // context.DeadlineExceeded is one, too
	return errors.As(err, &e) && e.Timeout()
}

// namesOf lists what a certificate is for, the first few.
func namesOf(c *x509.Certificate) string {
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "none"
	}
	if more := len(names) - 5; more > 0 {
		names = append(names[:5], fmt.Sprintf("and %d more", more))
	}
	return probes.Clean(strings.Join(names, ", "))
}
