package submit

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"syscall"

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
	case stage == probes.StageEnvelope && r.Code/100 == 5 && noRecipient(r, text):
		return fmt.Sprintf("the server knows no recipient %q: check to; if it took mail before, it has lost its users", probes.Clean(cfg.To))
	case strings.Contains(text, "relay"):
		return "the server relays for this account or address not at all: check username, from and to"
	case stage == probes.StageConnect && r.Code == 550 && strings.Contains(text, "helo"):
		return "the server refuses the name in EHLO: set hello to a name that resolves to this host"
	case r.Code >= 550 && strings.HasPrefix(r.Enhanced, "5.7."):
		return "the server's policy refuses the canary: permit its sender, or look for a block list, a sending limit or an SPF failure in the reply"
	}
	return ""
}

// unknownWords say that the recipient does not exist.
var unknownWords = []string{"user unknown", "unknown user", "no such user", "user not found", "user does not exist", "unknown recipient",
	"no such recipient", "recipient not found", "unknown mailbox", "no such mailbox", "mailbox not found", "mailbox unavailable", "does not exist",
	"unknown in virtual", "unknown in local recipient", "unknown in relay recipient", "no mailbox here", "recipientnotfound", "unrouteable address"}

// noRecipient reports whether a reply in the envelope is about a recipient whom the
// server does not know (RFC 3463 section 3.2), and not about the sender.
func noRecipient(r probes.Reply, text string) bool {
	switch strings.TrimPrefix(r.Enhanced, "5.") {
	case "1.1", "1.2", "1.3", "1.6", "1.10":
		return true
	}
	return says(text, unknownWords) && !says(text, []string{"sender", "helo"}) && !strings.HasPrefix(r.Enhanced, "5.7.")
}

// hintOfSilence tells what to mend when the server says nothing where it should
// greet in clear text; empty for exchangers, which have no other port.
func hintOfSilence(cfg Config) string {
	if cfg.Domain != "" {
		return ""
	}
	if _, port, _ := net.SplitHostPort(cfg.Address); port == "465" {
		return "port 465 speaks TLS from the first byte: set tls: implicit"
	}
	return "the server says nothing: a port for TLS at once? set tls: implicit (usually port 465)"
}

// hintOfError does the same when there was no reply.
func hintOfError(cfg Config, stage probes.Stage, err error) string {
	_, port, _ := net.SplitHostPort(cfg.Address)
	var (
		dns      *net.DNSError
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
	case errors.As(err, &protocol) && strings.Contains(protocol.Error(), ": * "),
		errors.As(err, &record) && strings.HasPrefix(string(record.RecordHeader[:]), "* "):
		return "an IMAP server answers: check host and port (465 or 587 takes mail)"
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
	case probes.HintOfCertificate(err) != "":
		return probes.HintOfCertificate(err)
	case errors.As(err, &record) && strings.HasPrefix(string(record.RecordHeader[:]), "220"):
		return fmt.Sprintf("the server greets in clear text on port %s: set tls: starttls", port)
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
