package token

import (
	"errors"
	"fmt"
	"strings"

	"mailquorum/internal/secret"
)

// Mechanism is the client's side of a SASL exchange with a bearer token. It is a
// sasl.Client as go-smtp and go-imap want it. After a refusal of the token the
// server tells why in a challenge, and says no once that has been answered.
type Mechanism struct {
	name, initial, answer string

	// Reason is the server's challenge, JSON: status, schemes, scope (RFC 7628
	// section 3.2.2). It is a stranger's text.
	Reason []byte
}

// XOAUTH2 is the mechanism of Google and Microsoft
// (developers.google.com/gmail/imap/xoauth2-protocol).
func XOAUTH2(user string, token secret.Secret) *Mechanism {
	return &Mechanism{name: "XOAUTH2", initial: "user=" + user + "\x01auth=Bearer " + token.Reveal() + "\x01\x01"}
}

// OAUTHBEARER is RFC 7628; host and port are those of the server that is spoken to.
func OAUTHBEARER(user, host string, port int, token secret.Secret) *Mechanism {
	name := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(user) // saslname, RFC 5801 section 4
	return &Mechanism{name: "OAUTHBEARER", answer: "\x01",
		initial: fmt.Sprintf("n,a=%s,\x01host=%s\x01port=%d\x01auth=Bearer %s\x01\x01", name, host, port, token.Reveal())}
}

// Start returns the mechanism's name and its initial response, which is secret.
func (m *Mechanism) Start() (name string, initial []byte, err error) {
	return m.name, []byte(m.initial), nil
}

// Next answers the challenge that follows a refused token.
func (m *Mechanism) Next(challenge []byte) ([]byte, error) {
	if m.Reason != nil {
		return nil, errors.New("the server asks twice why it refused the token")
	}
	m.Reason = append([]byte{}, challenge[:min(len(challenge), 1024)]...)
	return []byte(m.answer), nil
}
