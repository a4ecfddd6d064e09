// Package control asks "is it me?": checks of things that are not the provider.
// When a majority of them fails, what a region saw of the provider says nothing.
package control

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Kind is how a target is checked.
type Kind string

// The kinds of check.
const (
	TLS   Kind = "tls"   // TCP and a verified TLS handshake with host:port
	HTTPS Kind = "https" // GET of a URL, over verified TLS, answers with a status below 500
	DNS   Kind = "dns"   // host:port of a resolver answers for the root name servers
)

// Target is one thing outside the provider that should be reachable.
type Target struct {
	Name    string
	Kind    Kind
	Address string // host:port, or a URL for https
}

// Timeout bounds one check.
const Timeout = 10 * time.Second

// Checker checks targets through Dial, trusting Roots (nil: the system's).
type Checker struct {
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	TLS  *tls.Config // nil: defaults; ServerName is set from the address
}

// Check blocks until the target passed (nil), failed, or Timeout is over.
func (c Checker) Check(ctx context.Context, t Target) error {
	ctx, cancel := context.WithTimeoutCause(ctx, Timeout, fmt.Errorf("control %s: no answer within %v", t.Name, Timeout))
	defer cancel()
	var err error
	switch t.Kind {
	case TLS:
		err = c.tls(ctx, t.Address)
	case HTTPS:
		err = c.https(ctx, t.Address)
	case DNS:
		err = c.dns(ctx, t.Address)
	default:
		err = fmt.Errorf("unknown kind %q", t.Kind)
	}
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("control %s: %w", t.Name, err)
	}
	return nil
}

func (c Checker) config(host string) *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLS != nil {
		cfg = c.TLS.Clone()
	}
	cfg.ServerName = host
	return cfg
}

func (c Checker) tls(ctx context.Context, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	conn, err := c.Dial(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	return tls.Client(conn, c.config(host)).HandshakeContext(ctx)
}

func (c Checker) https(ctx context.Context, url string) error {
	tr := &http.Transport{DialContext: c.Dial, DisableKeepAlives: true, TLSClientConfig: c.TLS.Clone()}
	client := &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}

func (c Checker) dns(ctx context.Context, address string) error {
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return c.Dial(ctx, network, address)
	}}
	_, err := r.LookupNS(ctx, ".")
	return err
}

// All checks every target at once and returns the error of each, in order.
// It blocks for Timeout at most.
func (c Checker) All(ctx context.Context, targets []Target) []error {
	errs := make([]error, len(targets))
	done := make(chan struct{})
	for i, t := range targets {
		go func() {
			errs[i] = c.Check(ctx, t)
			done <- struct{}{}
		}()
	}
	for range targets {
		<-done
	}
	return errs
}
