package submit

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"mailquorum/probes"
)

// Resolver is the part of net.Resolver that a submission uses. Both methods
// return when ctx ends.
type Resolver interface {
	LookupHost(ctx context.Context, host string) (addresses []string, err error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
}

// Bounds of what is tried for one message.
const (
	maxExchanges = 5  // MX hosts
	maxTargets   = 10 // addresses
)

// mxPort is where mail exchangers listen, RFC 5321 section 4.5.4.2.
const mxPort = "25"

var errNullMX = errors.New("the domain takes no mail (null MX, RFC 7505)")

// target is one server to try.
type target struct {
	name    string // as its certificate should say
	address string // host:port to dial
}

// resolve passes the stage resolve, where there is a name to look up, and returns
// the servers to try, in order.
func (s *session) resolve(ctx context.Context) ([]target, error) {
	s.stage = probes.StageResolve
	began := time.Now()
	resolver := s.cfg.Resolver
	if resolver == nil && (s.cfg.Dial == nil || s.cfg.Domain != "") {
		resolver = net.DefaultResolver
	}
	var targets []target
	var err error
	host, port, _ := net.SplitHostPort(s.cfg.Address)
	switch {
	case s.cfg.Domain != "":
		targets, err = exchanges(ctx, resolver, s.cfg.Domain)
	case resolver == nil || net.ParseIP(host) != nil:
		return []target{{host, s.cfg.Address}}, nil
	default:
		targets, err = addresses(ctx, resolver, host, port)
	}
	if err != nil {
		return nil, err
	}
	s.passed(probes.StageResolve, time.Since(began))
	return targets, nil
}

// exchanges returns the addresses of the domain's mail exchangers in order of
// preference, or the domain's own where it has none (RFC 5321 section 5.1). The
// resolver's order among equals is kept: net.Resolver shuffles them.
func exchanges(ctx context.Context, resolver Resolver, domain string) ([]target, error) {
	records, err := resolver.LookupMX(ctx, domain)
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) && dns.IsNotFound && len(records) == 0 {
		return addresses(ctx, resolver, domain, mxPort)
	}
	if len(records) == 0 {
		if err == nil {
			return addresses(ctx, resolver, domain, mxPort)
		}
		return nil, err
	}
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b *net.MX) int { return int(a.Pref) - int(b.Pref) })
	var targets []target
	var errs []error
	for _, mx := range records[:min(len(records), maxExchanges)] {
		name := strings.TrimSuffix(mx.Host, ".")
		switch {
		case name == "" && len(records) == 1:
			return nil, errNullMX
		case !probes.ValidHost(name):
			errs = append(errs, &net.DNSError{Err: "the name of a mail exchanger is no host name", Name: probes.Clean(mx.Host)})
			continue
		}
		more, err := addresses(ctx, resolver, name, mxPort)
		targets = append(targets, more...)
		if err != nil {
			errs = append(errs, err)
		}
	}
	if len(targets) == 0 {
		return nil, errors.Join(errs...)
	}
	return targets[:min(len(targets), maxTargets)], nil
}

// addresses resolves one host.
func addresses(ctx context.Context, resolver Resolver, host, port string) ([]target, error) {
	ips, err := resolver.LookupHost(ctx, host)
	if err == nil && len(ips) == 0 {
		err = &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	if err != nil {
		return nil, err
	}
	var targets []target
	for _, ip := range ips[:min(len(ips), maxTargets)] {
		targets = append(targets, target{host, net.JoinHostPort(ip, port)})
	}
	return targets, nil
}
