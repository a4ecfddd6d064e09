package demo

import (
	"context"
	"errors"
	"net"
	"sync"

	"mailquorum/probes/mailtest"
)

// Fabric is the network that a world lives on: named hosts that can be cut off.
type Fabric interface {
	// Listen opens a port of the host; its address is what others dial. Given
	// such an address it opens that port again.
	Listen(host, again string) (net.Listener, error)
	// Dial returns the dial function of a host.
	Dial(host string) func(ctx context.Context, network, address string) (net.Conn, error)
	// Isolate pulls, or plugs in again, the host's cable.
	Isolate(host string, isolated bool)
}

// Memory is a fabric without a network: it works in virtual time.
type Memory struct{ *mailtest.Network }

// Listen implements Fabric. The listener's address has the host's name, so that
// certificates fit.
func (m Memory) Listen(host, again string) (net.Listener, error) {
	if again == "" {
		again = host + ":0"
	}
	l, err := m.Network.Listen(again)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return nil, err
	}
	return named{l, net.JoinHostPort(host, port)}, nil
}

// named is a listener with another spelling of its address.
type named struct {
	net.Listener
	address string
}

func (n named) Addr() net.Addr { return name(n.address) }

type name string

func (name) Network() string  { return "tcp" }
func (n name) String() string { return string(n) }

// Loopback is a fabric over TCP on 127.0.0.1. Hosts are told apart by who
// listens and who dials.
type Loopback struct {
	mu    sync.Mutex
	cut   map[string]bool
	conns map[string]map[net.Conn]struct{}
}

// NewLoopback returns a fabric without hosts.
func NewLoopback() *Loopback {
	return &Loopback{cut: map[string]bool{}, conns: map[string]map[net.Conn]struct{}{}}
}

var errUnplugged = errors.New("network is unreachable")

// track keeps a connection of a host, or closes it when the host is cut off.
func (l *Loopback) track(host string, c net.Conn) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut[host] {
		c.Close()
		return nil, errUnplugged
	}
	if l.conns[host] == nil {
		l.conns[host] = map[net.Conn]struct{}{}
	}
	t := &tracked{Conn: c, fabric: l, host: host}
	l.conns[host][t] = struct{}{}
	return t, nil
}

// tracked is a connection that its host's cable can end.
type tracked struct {
	net.Conn
	fabric *Loopback
	host   string
}

func (t *tracked) Close() error {
	t.fabric.mu.Lock()
	delete(t.fabric.conns[t.host], t)
	t.fabric.mu.Unlock()
	return t.Conn.Close()
}

// Listen implements Fabric.
func (l *Loopback) Listen(host, again string) (net.Listener, error) {
	if again == "" {
		again = "127.0.0.1:0"
	}
	inner, err := net.Listen("tcp", again)
	if err != nil {
		return nil, err
	}
	return &door{inner, l, host}, nil
}

// door accepts connections for a host while its cable is plugged in.
type door struct {
	net.Listener
	fabric *Loopback
	host   string
}

func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if t, err := d.fabric.track(d.host, c); err == nil {
			return t, nil
		}
	}
}

// Dial implements Fabric.
func (l *Loopback) Dial(host string) func(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		l.mu.Lock()
		cut := l.cut[host]
		l.mu.Unlock()
		if cut {
			return nil, &net.OpError{Op: "dial", Net: network, Err: errUnplugged}
		}
		c, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return l.track(host, c)
	}
}

// Isolate implements Fabric.
func (l *Loopback) Isolate(host string, isolated bool) {
	l.mu.Lock()
	l.cut[host] = isolated
	var ended []net.Conn
	if isolated {
		for c := range l.conns[host] {
			ended = append(ended, c.(*tracked).Conn)
		}
		clear(l.conns[host])
	}
	l.mu.Unlock()
	for _, c := range ended {
		c.Close()
	}
}
