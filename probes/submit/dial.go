package submit

import (
	"context"
	"fmt"
	"net"
	"time"

	"mailquorum/probes"
	"mailquorum/probes/guard"
)

// leastTry is the least time that each of several servers gets to greet us.
const leastTry = 2 * time.Second

// reach finds the server to speak to: resolved, connected and greeted. Where
// there are several, each but the last has its share of the time left, and one
// that cannot be reached, or greets us badly in clear text, makes room for the next
// (RFC 5321 section 5.1). All of it counts to the stage connect.
func (s *session) reach(ctx context.Context) (*opening, error) {
	targets, err := s.resolve(ctx)
	if err != nil {
		return nil, err
	}
	s.connecting = time.Now()
	for i, t := range targets {
		o, err := s.try(ctx, t, len(targets)-i)
		if err == nil {
			return o, nil
		}
		if i == len(targets)-1 || s.stage != probes.StageConnect || ctx.Err() != nil {
			return nil, err
		}
		s.tap.Note("%s at %s: %v", t.name, t.address, err)
		s.hangUp()
	}
	return nil, &net.DNSError{Err: "no servers", Name: s.cfg.Domain} // resolve returns one at least
}

// try connects to one of left servers, and reads its greeting unless that comes
// under TLS; then the opening is nil.
func (s *session) try(ctx context.Context, t target, left int) (*opening, error) {
	s.stage = probes.StageConnect
	s.deadline, _ = ctx.Deadline()
	share := s.deadline
	if left > 1 {
		share = time.Now().Add(max(time.Until(s.deadline)/time.Duration(left), leastTry))
	}
	conn, err := s.dial(ctx, t.address, share)
	if err != nil {
		return nil, err
	}
	s.server = t.name
	s.result.Egress, s.result.Server = hostOf(conn.LocalAddr()), hostOf(conn.RemoteAddr())
	s.tap.Note("connected to %s from %s", s.result.Server, s.result.Egress)
	s.guard = guard.New(conn, guard.Handshake, share)
	s.conn = s.tap.Conn(s.guard)
	s.stop = s.guard.Watch(ctx)
	var o *opening
	if s.cfg.TLS != Implicit {
		o = openingOn(s.conn)
		_, err := o.in.Peek(1)
		if s.silent = err != nil; !s.silent {
			err = o.greeting()
		}
		if err != nil {
			return nil, err
		}
	}
	s.guard.Arm(guard.Handshake, s.deadline)
	return o, nil
}

func (s *session) dial(ctx context.Context, address string, deadline time.Time) (net.Conn, error) {
	dial := s.cfg.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	within := time.Until(deadline)
	ctx, cancel := context.WithDeadlineCause(ctx, deadline, fmt.Errorf("no connection within %v: %w", within, context.DeadlineExceeded))
	defer cancel()
	conn, err := dial(ctx, "tcp", address)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("dialling %s: %w", address, context.Cause(ctx))
	}
	return conn, err
}

// hangUp leaves a server for the next one.
func (s *session) hangUp() {
	if s.guard == nil {
		return
	}
	s.stop()
	s.guard.Close()
	s.guard, s.conn, s.stop, s.silent = nil, nil, nil, false
	s.result.Egress, s.result.Server = "", ""
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
