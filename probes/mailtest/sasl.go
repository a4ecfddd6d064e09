package mailtest

import (
	"errors"

	"github.com/emersion/go-sasl"
)

var errSASL = errors.New("sasl: unexpected response")

// newSASL returns the server side of a mechanism, nil for an unknown one.
func newSASL(mech string, login func(username, password string) error) sasl.Server {
	switch mech {
	case sasl.Plain:
		return sasl.NewPlainServer(func(identity, username, password string) error {
			if identity != "" && identity != username {
				return errSASL
			}
			return login(username, password)
		})
	case sasl.Login:
		return &loginServer{login: login}
	}
	return nil
}

// loginServer is the server side of LOGIN (draft-murchison-sasl-login), which
// go-sasl has for clients only.
type loginServer struct {
	login    func(username, password string) error
	username *string
	asked    bool
}

// Next takes the user name, with or without being asked, then the password.
func (s *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case s.login == nil:
		return nil, false, errSASL
	case response == nil && !s.asked:
		s.asked = true
		return []byte("Username:"), false, nil
	case s.username == nil:
		name := string(response)
		s.username = &name
		return []byte("Password:"), false, nil
	}
	err = s.login(*s.username, string(response))
	s.login = nil
	return nil, true, err
}
