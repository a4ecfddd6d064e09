package config

import (
	"fmt"
	"net/url"
	"slices"
)

// sources checks the sources of tokens.
func (l *loader) sources(a *Agent) {
	seen := map[string]bool{}
	l.tokens = map[string]bool{}
	for i := range a.OAuth {
		at, o := fmt.Sprintf("oauth[%d]", i), &a.OAuth[i]
		l.d.name(at+".name", "sources of tokens", o.Name, seen)
		l.tokens[o.Name] = true
		switch u, err := url.Parse(o.Endpoint); {
		case o.Endpoint == "":
			l.d.missing(at + ".endpoint")
		case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil:
			l.d.bad(at+".endpoint", "want an https:// address without a password in it")
		}
		if o.ClientID == "" {
			l.d.missing(at + ".client_id")
		}
		l.secret(at+".refresh_token", &o.RefreshToken, false)
		if !o.RefreshToken.Set() && !o.ClientSecret.Set() {
			l.d.bad(at+".client_secret", "client_secret is missing: without refresh_token the application authenticates itself")
		}
		l.secret(at+".client_secret", &o.ClientSecret, false)
		if !slices.ContainsFunc(a.Mailboxes, func(m Mailbox) bool { return m.OAuth == o.Name }) &&
			!slices.ContainsFunc(a.Routes, func(r Route) bool { return r.Submit.OAuth == o.Name }) && o.Name != "" {
			l.d.warn(at+".name", "no mailbox and no route uses the tokens of %s", o.Name)
		}
	}
}

// login checks what is logged in with: a password or a source of tokens, and a
// mechanism that fits it.
func (l *loader) login(at, source string, password *Secret, mech *Mechanism) {
	if source == "" {
		l.secret(at+".password", password, true)
		oneOf(l.d, at+".mechanism", mech, "", AuthPlain, AuthLogin)
		return
	}
	switch {
	case !l.tokens[source]:
		l.d.bad(at+".oauth", "there is no source of tokens %s in this file: oauth has none of that name", quote(source))
	case password.Set():
		l.d.bad(at+".password", "says nothing beside oauth")
	}
	oneOf(l.d, at+".mechanism", mech, "", AuthXOAUTH2, AuthBearer)
}
