package post

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// ErrForbidden is the cause when a name has no address that may be sent to.
var ErrForbidden = errors.New("no public address, and none of its addresses is allowed")

// guard dials a name only at addresses that it has seen and judged itself: a
// name server cannot answer the check one way and the dial another.
type guard struct {
	allow    []netip.Prefix
	public   func(netip.Addr) bool // nil: Public
	resolver Resolver
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
}

func (g guard) dialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs, err := g.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	last := fmt.Errorf("%w: %s", ErrForbidden, host)
	for _, a := range addrs {
		if !g.permits(a) {
			continue
		}
		conn, err := g.dial(ctx, "tcp", net.JoinHostPort(a.String(), port))
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, last
}

func (g guard) permits(a netip.Addr) bool {
	plain := a.Unmap().WithZone("")
	for _, p := range g.allow {
		if p.Contains(plain) {
			return true
		}
	}
	if g.public != nil {
		return g.public(a)
	}
	return Public(a)
}

// special are the blocks that are not globally reachable, or that carry another
// address inside (IANA special-purpose registries, RFC 6890).
var special = func() (out []netip.Prefix) {
	for _, s := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}()

// allocated is all of IPv6 that is in use as global unicast.
var allocated = netip.MustParsePrefix("2000::/3")

// Public reports whether an address is a global one, reachable by everybody:
// not loopback, link-local, private, shared, a cloud's metadata service, or one
// that stands for such an address.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || a.Zone() != "" || !a.IsGlobalUnicast() {
		return false
	}
	if a.Is6() && !allocated.Contains(a) {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
