package collect

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"

	"mailquorum/internal/secret"
	"mailquorum/probes"
	"mailquorum/probes/guard"
	"mailquorum/probes/token"
)

// login logs in with the password or, where there is one, a token.
func (s *session) login(ctx context.Context) error {
	if s.m.cfg.Tokens == nil {
		return s.loginByPassword()
	}
	mech, err := s.mechanism(MechanismXOAUTH2, MechanismOAUTHBEARER)
	if err != nil {
		return err
	}
	for again := true; ; {
		tok, err := s.token(ctx)
		if err != nil {
			return err
		}
		err = s.loginByToken(mech, tok)
		var f *failure
		if err == nil || !errors.As(err, &f) || f.is.Outcome != probes.AuthFailed {
			return err
		}
		// A token may be refused before its time: once, a new one is tried.
		if again = s.m.cfg.Tokens.Reject(tok) && again; !again {
			return err
		}
		again = false
	}
}

// mechanism chooses the first of the given ones that the configuration allows and
// the server offers.
func (s *session) mechanism(choice ...string) (string, error) {
	for _, name := range choice {
		offered := s.caps.Has(imap.AuthCap(strings.ToUpper(name)))
		if name == MechanismLogin {
			offered = !s.caps.Has(imap.CapLoginDisabled)
		}
		if offered && (s.m.cfg.Mechanism == "" || s.m.cfg.Mechanism == name) {
			return name, nil
		}
	}
	return "", unknown(opLogin, errors.New("the server offers no way to log in that we may take"),
		"check mechanism: the server wants TLS first, or a token in place of a password")
}

func (s *session) loginByPassword() error {
	cfg := s.m.cfg
	mech, err := s.mechanism(MechanismPlain, MechanismLogin)
	if err != nil {
		return err
	}
	pw := cfg.Password.Reveal()
	s.tap.Hide(pw, "\x00"+cfg.Username+"\x00"+pw)
	return s.quietly(func() error {
		if mech == MechanismPlain {
			return s.client.Authenticate(sasl.NewPlainClient("", cfg.Username, pw))
		}
		return s.client.Login(cfg.Username, pw).Wait()
	})
}

// token asks for a token. That there is none is nothing of the mail provider's:
// Policy when the authorization server refuses us, else Unknown.
func (s *session) token(ctx context.Context) (secret.Secret, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.m.cfg.Watchdog, errTimeout{s.m.cfg.Watchdog})
	defer cancel()
	tok, err := s.m.cfg.Tokens.Token(ctx)
	if err == nil {
		return tok, nil
	}
	var why *token.Error
	if errors.As(err, &why) && why.Refused {
		f := problem(probes.Policy, "token", err, why.Hint())
		f.is.Temporary = false
		return tok, f
	}
	return tok, unknown("token", err, "the authorization server could not be asked: this says nothing about the provider")
}

func (s *session) loginByToken(mech string, tok secret.Secret) error {
	user := s.m.cfg.Username
	m := token.XOAUTH2(user, tok)
	if mech == MechanismOAUTHBEARER {
		host, service, _ := net.SplitHostPort(s.m.cfg.Address)
		port, _ := strconv.Atoi(service) // a service name gives port 0, which servers ignore
		m = token.OAUTHBEARER(user, host, port, tok)
	}
	_, initial, _ := m.Start()
	s.tap.Hide(tok.Reveal(), string(initial))
	err := s.quietly(func() error { return s.client.Authenticate(m) })
	if err != nil && m.Reason != nil {
		// The server has told why it refuses the token; how it ended the exchange
		// does not matter.
		f := problem(probes.AuthFailed, opLogin, errors.New("token refused: "+s.tap.Redact(string(m.Reason))),
			"the server refuses the token: check its scopes, and that IMAP is allowed for the account")
		f.refused = true
		return f
	}
	return err
}

// quietly logs in without a record of what we say.
func (s *session) quietly(command func() error) error {
	s.tap.Note("logging in as %s", s.m.cfg.Username)
	s.tap.Quiet(true)
	defer s.tap.Quiet(false)
	return s.do(opLogin, guard.IMAPReply, command)
}

// hintOfLogin says what to do about a refused login.
func hintOfLogin(low string) string {
	switch {
	case has(low, "application-specific password", "app password"):
		return "the account wants an app password: make one for the canary account"
	case has(low, "web browser", "web login"):
		return "the provider wants to see a person: sign in once with a browser as the canary account"
	case has(low, "authenticate failed", "basicauth", "basic auth"):
		return "wrong user name or password, or the provider takes no passwords for IMAP: Microsoft 365 wants a token"
	}
	return "the server refuses the login: check user name and password, and that IMAP is allowed for the account"
}
