package submit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"mailquorum/probes"
)

// leastDial is the least time that each of several addresses gets to answer.
const leastDial = 2 * time.Second

// dial passes the stage resolve, if there is a resolver, and connects. It
// returns how long connecting took: the greeting belongs to that stage as well.
func (s *session) dial(ctx context.Context) (net.Conn, time.Duration, error) {
	host, port, err := net.SplitHostPort(s.cfg.Address)
	if err != nil {
		return nil, 0, err // Validate knows better
	}
	dial, lookup := s.cfg.Dial, s.cfg.Lookup
	if dial == nil {
		dial = new(net.Dialer).DialContext
		if lookup == nil {
			lookup = net.DefaultResolver.LookupHost
		}
	}
	hosts := []string{host}
	if lookup != nil && net.ParseIP(host) == nil {
		s.stage = probes.StageResolve
		began := time.Now()
		if hosts, err = lookup(ctx, host); err != nil {
			return nil, 0, err
		}
		if len(hosts) == 0 {
			return nil, 0, &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
		}
		s.passed(probes.StageResolve, time.Since(began))
	}
	s.stage = probes.StageConnect
	began := time.Now()
	conn, err := dialAny(ctx, dial, hosts, port)
	if err != nil {
		return nil, 0, err
	}
	s.result.Egress = hostOf(conn.LocalAddr())
	s.result.Server = hostOf(conn.RemoteAddr())
	s.tap.Note("connected to %s from %s", s.result.Server, s.result.Egress)
	return conn, time.Since(began), nil
}

// dialAny tries the hosts in turn, each with its share of the time left but for
// the last, and returns the first connection, or all errors.
func dialAny(ctx context.Context, dial DialFunc, hosts []string, port string) (net.Conn, error) {
	var errs []error
	for i, host := range hosts {
		conn, err := dialShare(ctx, dial, net.JoinHostPort(host, port), len(hosts)-i)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

func dialShare(ctx context.Context, dial DialFunc, address string, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		share := max(time.Until(deadline)/time.Duration(left), leastDial)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, share, fmt.Errorf("no connection within %v: %w", share, context.DeadlineExceeded))
		defer cancel()
	}
	conn, err := dial(ctx, "tcp", address)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("dialling %s: %w", address, context.Cause(ctx))
	}
	return conn, err
}

func hostOf(a net.Addr) string {
	if a == nil {
		return ""
	}
	if host, _, err := net.SplitHostPort(a.String()); err == nil {
		return probes.Clean(host)
	}
	return probes.Clean(a.String())
}
