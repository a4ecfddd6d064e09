package submit

import (
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/emersion/go-sasl"

	"mailquorum/probes"
	"mailquorum/probes/token"
)

var (
	errNoAuth    = errors.New("the server offers no AUTH")
	errMechanism = errors.New("the server does not offer the mechanism")
	errClearText = errors.New("a password is not sent over a connection without TLS")
)

// authenticate passes the stage auth; without a username there is none.
func (s *session) authenticate() error {
	if s.cfg.Username == "" {
		return nil
	}
	s.stage = probes.StageAuth
	began := time.Now()
	// Validate has said so already. That this line stands between any way to get
	// here and the password is worth the repetition.
	if !s.result.TLS.Verified && !(s.cfg.TLS == Plain && s.cfg.AllowPlainAuth) {
		return errClearText
	}
	mech, err := s.mechanism()
	if err != nil {
		return err
	}
	s.arm()
	s.tap.Note("logging in as %s", s.cfg.Username)
	s.tap.Quiet(true)
	err = s.wire.whole(s.client.Auth(mech))
	s.tap.Quiet(false)
	if err != nil {
		return err
	}
	s.passed(probes.StageAuth, time.Since(began))
	return nil
}

// mechanism chooses how to log in, of what the server offers.
func (s *session) mechanism() (sasl.Client, error) {
	if ok, _ := s.client.Extension("AUTH"); !ok {
		return nil, errNoAuth
	}
	choice := []string{MechanismPlain, MechanismLogin}
	if s.cfg.Tokens != nil {
		choice = []string{MechanismXOAUTH2, MechanismOAUTHBEARER}
	}
	for _, name := range choice {
		if (s.cfg.Mechanism == "" || s.cfg.Mechanism == name) && s.client.SupportsAuth(name) {
			return s.saslClient(name), nil
		}
	}
	return nil, errMechanism
}

func (s *session) saslClient(name string) sasl.Client {
	user, password := s.cfg.Username, s.cfg.Password.Reveal()
	switch name {
	case MechanismPlain:
		return sasl.NewPlainClient("", user, password)
	case MechanismLogin:
		return &loginClient{user, password}
	}
	host, service, _ := net.SplitHostPort(s.cfg.Address)
	port, _ := strconv.Atoi(service) // a service name gives port 0, which servers ignore
	m := token.XOAUTH2(user, s.token)
	if name == MechanismOAUTHBEARER {
		m = token.OAUTHBEARER(user, host, port, s.token)
	}
	_, initial, _ := m.Start()
	s.tap.Hide(string(initial))
	return m
}

// loginClient is LOGIN as servers ask for it: the name on the first challenge,
// the password on the second, whatever the challenges say. go-sasl's own insists
// on the words "Password:".
type loginClient struct{ user, password string }

func (l *loginClient) Start() (string, []byte, error) { return "LOGIN", nil, nil }

func (l *loginClient) Next([]byte) ([]byte, error) {
	for _, answer := range []*string{&l.user, &l.password} {
		if *answer != "" {
			out := []byte(*answer)
			*answer = ""
			return out, nil
		}
	}
	return nil, sasl.ErrUnexpectedServerChallenge
}
