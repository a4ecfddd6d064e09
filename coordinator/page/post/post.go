// Package post sends small HTTP requests to addresses that a person configured:
// chat rooms, webhooks, dead-man switches. It keeps them from being turned
// against the network that mailquorum runs in: only public addresses, checked
// after the name was resolved, no redirects, no proxy, short answers, a time
// limit. Addresses are secrets, for who knows a webhook may use it; they are in
// no error.
package post

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"mailquorum/coordinator/page"
	"mailquorum/internal/secret"
	"mailquorum/probes"
)

const (
	maxAnswer = 64 << 10         // bytes read of an answer
	timeLimit = 10 * time.Second // of one request, all told
)

// Config is where to send.
type Config struct {
	URL   secret.Secret
	Allow []netip.Prefix // addresses that are not public and all the same meant

	// For tests and unusual networks; zero: the system's.
	Resolver Resolver
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Roots    *x509.CertPool
}

// Resolver turns names into addresses; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Client sends to one URL. It is safe for concurrent use.
type Client struct {
	url  secret.Secret
	http *http.Client
}

// New checks the configuration. The URL is https, or http to an address in Allow.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.URL.Reveal())
	if err != nil || u.Host == "" || u.Opaque != "" {
		return nil, errors.New("url: want https://host/path")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || len(cfg.Allow) == 0) {
		return nil, errors.New("url: want https (http is taken only with allowed addresses)")
	}
	if u.User != nil {
		return nil, errors.New("url: names a user: put what is secret into the path or the signature")
	}
	g := guard{allow: cfg.Allow, resolver: cfg.Resolver, dial: cfg.Dial}
	if g.resolver == nil {
		g.resolver = net.DefaultResolver
	}
	if g.dial == nil {
		g.dial = (&net.Dialer{Timeout: timeLimit}).DialContext
	}
	if u.Scheme == "http" {
		g.public = func(netip.Addr) bool { return false } // what is sent in clear stays within Allow
	}
	return &Client{cfg.URL, &http.Client{
		Timeout: timeLimit,
		Transport: &http.Transport{
			DialContext: g.dialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.Roots},
			TLSHandshakeTimeout: timeLimit, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: maxAnswer,
			ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Post sends a body and returns the answer's if its status is 2xx. Any error is
// a *page.Error. It blocks for 10 s at most.
func (c *Client) Post(ctx context.Context, header http.Header, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url.Reveal(), bytes.NewReader(body))
	if err != nil {
		return nil, c.fail(&page.Error{Permanent: true, Rejected: true}, err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", "mailquorum")
	resp, err := c.http.Do(req)
	if err != nil {
		var op *net.OpError
		var dns *net.DNSError
		refused := errors.Is(err, ErrForbidden)
		rejected := refused || errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns)
		return nil, c.fail(&page.Error{Permanent: refused, Rejected: rejected}, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode/100 == 2 {
		if err != nil {
			return nil, c.fail(&page.Error{}, err)
		}
		return answer, nil
	}
	e := &page.Error{RetryAfter: page.RetryAfter(resp.Header, time.Now())}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		e.Rejected = true
	case resp.StatusCode == http.StatusRequestTimeout, resp.StatusCode >= 500:
	case resp.StatusCode/100 == 4:
		e.Rejected, e.Permanent = true, true
	}
	return nil, c.fail(e, fmt.Errorf("HTTP status %d: %s", resp.StatusCode, probes.Clean(string(answer))))
}

// fail completes e with err, out of which the URL was taken.
func (c *Client) fail(e *page.Error, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	text := err.Error()
	if parsed, bad := url.Parse(c.url.Reveal()); bad == nil {
		for _, part := range []string{c.url.Reveal(), parsed.RequestURI(), parsed.Path, parsed.RawQuery} {
			if len(part) > 1 {
				text = strings.ReplaceAll(text, part, "<secret>")
			}
		}
	}
	e.Err = errors.New(text)
	return e
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }
