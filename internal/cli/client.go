package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// maxAnswer bounds what is read of a coordinator's answer, in bytes.
const maxAnswer = 16 << 20

// errNotFound is a 404 of a coordinator.
var errNotFound = errors.New("not found")

// client asks one daemon over HTTP.
type client struct {
	base    string
	timeout time.Duration
	of      string // which kind of daemon; empty: a coordinator
}

// get decodes the answer to GET of a path (into nil: it is no JSON), and returns it
// as it came too. Every error but errNotFound has the exit code for "could not be asked".
func (c client) get(ctx context.Context, path string, into any) ([]byte, error) {
	base, err := url.Parse(c.base)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, usagef("--url %q: want http://host:port or https://host", c.base)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("no answer within %s", c.timeout))
	defer cancel()
	raw, err := fetch(ctx, base.JoinPath(strings.Split(path, "/")...).String())
	if errors.Is(err, errNotFound) {
		return nil, err
	}
	if err == nil && into != nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, exitError{exitUnreachable, fmt.Errorf("asking the %s at %s: %w", c.whom(), base.Redacted(), err)}
	}
	return raw, nil
}

func (c client) whom() string {
	if c.of == "" {
		return "coordinator"
	}
	return c.of
}

func fetch(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the address is said by the caller
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusNotFound:
		return nil, errNotFound
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("it answered %s", printable(resp.Status))
	case len(raw) > maxAnswer:
		return nil, fmt.Errorf("its answer is larger than %d MiB", maxAnswer>>20)
	}
	return raw, nil
}

// printable keeps of a coordinator's text what a terminal may be given: printable
// characters and line breaks.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}
