// Package token obtains the OAuth 2 access tokens with which the probes log in
// where passwords are no longer taken (Microsoft 365, Gmail): by a refresh token
// of the canary's account, or by client credentials. It keeps a token until it
// is about to expire, and says of a failure whose it is: the authorization server
// is not the mail service, so that its trouble is never evidence for an outage.
package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"mailquorum/internal/secret"
)

// Periods of a token's life. They only decide when to ask for the next one.
const (
	early       = 5 * time.Minute  // a token is renewed that long before it expires, and used on while that fails
	unknownLife = 5 * time.Minute  // of a token whose server does not say how long it lives
	young       = time.Minute      // a younger token that is refused is not worth another try
	refusalHold = 30 * time.Second // the same question is not asked again sooner after a refusal
	patience    = 10 * time.Second // Config.Timeout
)

// Config says where tokens come from.
type Config struct {
	Endpoint     string        // token endpoint, https://...
	ClientID     string        // of the registered application
	ClientSecret secret.Secret // empty for a public client
	RefreshToken secret.Secret // of the canary's account; empty: client credentials
	Scopes       []string      // such as https://outlook.office.com/SMTP.Send offline_access

	// BasicAuth sends id and secret of the client in the Authorization header
	// instead of the form (RFC 6749 section 2.3.1). Most servers take both.
	BasicAuth bool

	Client  *http.Client  // makes the requests; nil: http.DefaultClient's transport. Redirects are not followed
	Timeout time.Duration // of one request; 0: 10 s

	// Rotated, if not nil, is called when the server replaces the refresh token
	// (Microsoft does): whoever does not keep the new one may be locked out after a
	// restart. It is called with no lock held and may block.
	Rotated func(secret.Secret)
}

// Validate returns everything that is wrong with the configuration, joined.
func (c Config) Validate() error {
	var errs []error
	if u, err := url.Parse(c.Endpoint); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		errs = append(errs, errors.New("endpoint: want an https:// address without a password in it"))
	}
	if c.ClientID == "" {
		errs = append(errs, errors.New("client id: missing"))
	}
	if c.RefreshToken.Empty() && c.ClientSecret.Empty() {
		errs = append(errs, errors.New("want a refresh token, or a client secret for client credentials"))
	}
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("timeout: %v is negative", c.Timeout))
	}
	return errors.Join(errs...)
}

// Source yields tokens. Its methods may be called from several goroutines; one
// request is under way at a time.
type Source struct {
	cfg  Config
	http *http.Client

	busy    chan struct{} // holds the right to use the fields below
	current oauth2.Token
	born    time.Time     // of current
	refresh secret.Secret // newest refresh token
	refused *Error        // the last refusal
	asked   time.Time     // when that was
}

// New returns a source; it makes no request yet.
func New(cfg Config) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("token source: %w", err)
	}
	client := http.Client{}
	if cfg.Client != nil {
		client = *cfg.Client
	}
	client.Timeout = cfg.Timeout
	if client.Timeout == 0 {
		client.Timeout = patience
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Source{cfg: cfg, http: &client, busy: make(chan struct{}, 1), refresh: cfg.RefreshToken}, nil
}

// Token returns a token that is valid now, a new one if need be. It blocks until
// then, until the request has timed out, or until ctx ends. The error is an *Error.
func (s *Source) Token(ctx context.Context) (secret.Secret, error) {
	select {
	case s.busy <- struct{}{}:
	case <-ctx.Done():
		return secret.Secret{}, &Error{Err: context.Cause(ctx)}
	}
	tok, rotated, err := s.token(ctx)
	<-s.busy
	if !rotated.Empty() && s.cfg.Rotated != nil {
		s.cfg.Rotated(rotated)
	}
	return tok, err
}

// Reject says that a server refused the token: it is not returned again. again
// tells whether a new one may fare better, which is so when this one was not new.
func (s *Source) Reject(token secret.Secret) (again bool) {
	s.busy <- struct{}{}
	defer func() { <-s.busy }()
	if token.Reveal() != s.current.AccessToken {
		return true // another one has taken its place already
	}
	again = time.Since(s.born) >= young
	s.current = oauth2.Token{}
	return again
}

// token does the work of Token; the caller holds busy.
func (s *Source) token(ctx context.Context) (tok, rotated secret.Secret, _ error) {
	now := time.Now()
	left := s.current.Expiry.Sub(now)
	if s.current.AccessToken != "" && left > min(early, s.current.Expiry.Sub(s.born)/2) {
		return secret.New(s.current.AccessToken), rotated, nil
	}
	fresh, err := s.request(ctx, now)
	if err != nil {
		if s.current.AccessToken != "" && left > 0 {
			return secret.New(s.current.AccessToken), rotated, nil // still good
		}
		return tok, rotated, err
	}
	if fresh.Expiry.IsZero() {
		fresh.Expiry = now.Add(unknownLife)
	}
	s.current, s.born = *fresh, now
	if r := fresh.RefreshToken; r != "" && !s.refresh.Empty() && r != s.refresh.Reveal() {
		s.refresh = secret.New(r)
		rotated = s.refresh
	}
	return secret.New(fresh.AccessToken), rotated, nil
}

// request asks the authorization server.
func (s *Source) request(ctx context.Context, now time.Time) (*oauth2.Token, error) {
	if s.refused != nil && now.Sub(s.asked) < refusalHold {
		return nil, s.refused
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, s.http)
	style := oauth2.AuthStyleInParams
	if s.cfg.BasicAuth {
		style = oauth2.AuthStyleInHeader
	}
	var from oauth2.TokenSource
	if s.refresh.Empty() {
		c := clientcredentials.Config{ClientID: s.cfg.ClientID, ClientSecret: s.cfg.ClientSecret.Reveal(),
			TokenURL: s.cfg.Endpoint, Scopes: s.cfg.Scopes, AuthStyle: style}
		from = c.TokenSource(ctx)
	} else {
		c := oauth2.Config{ClientID: s.cfg.ClientID, ClientSecret: s.cfg.ClientSecret.Reveal(), Scopes: s.cfg.Scopes,
			Endpoint: oauth2.Endpoint{TokenURL: s.cfg.Endpoint, AuthStyle: style}}
		from = c.TokenSource(ctx, &oauth2.Token{RefreshToken: s.refresh.Reveal()})
	}
	tok, err := from.Token()
	if err != nil {
		e := s.translate(ctx, err)
		s.refused, s.asked = nil, now
		if e.Refused {
			s.refused = e
		}
		return nil, e
	}
	s.refused = nil
	return tok, nil
}
