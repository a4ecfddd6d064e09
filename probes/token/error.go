package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"

	"mailquorum/probes"
)

// Error is why there is no token. It prints no secret and not the server's body.
type Error struct {
	Refused bool   // the authorization server said no: credentials, consent or scopes; else it could not be asked
	Code    string // its error code (RFC 6749 section 5.2), such as invalid_grant; may be empty
	Detail  string // its description, through probes.Clean; may be empty
	Err     error  // the cause, where there was no answer of the server's; may be nil
}

// Error is the failure on one line.
func (e *Error) Error() string {
	switch {
	case e.Refused && e.Detail != "":
		return fmt.Sprintf("the authorization server refuses a token: %s: %s", e.Code, e.Detail)
	case e.Refused:
		return "the authorization server refuses a token: " + e.Code
	case e.Err != nil:
		return "no token: " + e.Err.Error()
	}
	return "no token: " + e.Detail
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint tells the user what to do about it; empty where waiting is all.
func (e *Error) Hint() string {
	switch e.Code {
	case "invalid_grant":
		return "the refresh token has expired or was revoked: authorize the canary account anew"
	case "invalid_client", "unauthorized_client":
		return "check client id and client secret: the secret may have expired"
	case "invalid_scope":
		return "check scopes"
	case "interaction_required", "consent_required":
		return "somebody must sign in as the canary account and consent"
	}
	return ""
}

// translate makes an *Error of what x/oauth2 returns, whose text holds the
// server's whole answer.
func (s *Source) translate(ctx context.Context, err error) *Error {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return &Error{Err: &plain{s.clean(err.Error()), err}}
	}
	e := &Error{Code: probes.Clean(answer.ErrorCode), Detail: s.clean(answer.ErrorDescription)}
	status := 0
	if answer.Response != nil {
		status = answer.Response.StatusCode
	}
	switch {
	case status == http.StatusTooManyRequests, status >= 500, e.Code == "temporarily_unavailable", e.Code == "server_error":
		e.Detail = fmt.Sprintf("the authorization server answers %d %s", status, e.Code)
	case e.Code != "" || status == http.StatusUnauthorized || status == http.StatusForbidden:
		e.Refused = true
		if e.Code == "" {
			e.Code = fmt.Sprint(status)
		}
	default:
		e.Detail = fmt.Sprintf("the authorization server answers %d, and no token", status)
	}
	return e
}

// clean makes text of the server's, or about it, fit to be printed.
func (s *Source) clean(text string) string {
	r := probes.NewRedactor(s.cfg.ClientSecret.Reveal(), s.cfg.RefreshToken.Reveal(), s.refresh.Reveal(), s.current.AccessToken)
	return probes.Clean(r.Redact(text))
}

// plain prints a cleaned text; its cause can be asked for.
type plain struct {
	text string
	err  error
}

func (p *plain) Error() string { return p.text }
func (p *plain) Unwrap() error { return p.err }
