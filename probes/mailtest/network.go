package mailtest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// synTimeout is how long a dial without a deadline of its own waits for a host
// that does not answer: Linux's tcp_syn_retries = 6.
const synTimeout = 127 * time.Second

// Network is an in-memory network of named hosts. A host comes to life, with an
// address of its own in 10.0.0.0/8, when it first listens or dials. The zero
// value is not usable. All methods may be called from several goroutines.
type Network struct {
	mu        sync.Mutex
	hosts     map[string]*net.TCPAddr // by name; the port is 0
	names     map[string]string       // by address
	listeners map[string]*listener    // by "name:port"
	pipes     map[*pipe]struct{}
	cut       map[pair]bool
	delay     map[pair]time.Duration
	isolated  map[string]bool
	changed   chan struct{} // closed and replaced when a cut heals
	port      int           // last ephemeral port
}

// pair is two host names in order.
type pair [2]string

func newPairOf(a, b string) pair {
	if b < a {
		a, b = b, a
	}
	return pair{a, b}
}

// pipe is an established connection.
type pipe struct {
	hosts pair
	ends  [2]*conn
	open  int
}

// NewNetwork returns an empty network.
func NewNetwork() *Network {
	return &Network{
		hosts:     map[string]*net.TCPAddr{},
		names:     map[string]string{},
		listeners: map[string]*listener{},
		pipes:     map[*pipe]struct{}{},
		cut:       map[pair]bool{},
		delay:     map[pair]time.Duration{},
		isolated:  map[string]bool{},
		changed:   make(chan struct{}),
		port:      39999,
	}
}

func hostAddr(i, port int) *net.TCPAddr {
	return &net.TCPAddr{IP: net.IPv4(10, byte(i>>16), byte(i>>8), byte(i)), Port: port}
}

// host returns the address of a host, which it creates.
func (n *Network) host(name string) *net.TCPAddr {
	addr, ok := n.hosts[name]
	if !ok {
		addr = hostAddr(len(n.hosts)+1, 0)
		if ip, err := netip.ParseAddr(name); err == nil {
			addr = &net.TCPAddr{IP: ip.AsSlice()}
		}
		n.hosts[name] = addr
		n.names[addr.IP.String()] = name
	}
	return addr
}

// IP returns the address of a host, which it creates.
func (n *Network) IP(host string) net.IP {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.host(host).IP
}

// Listen listens on "host:port" for any host name; port 0 picks one. Of each
// host and port there can be one listener at a time. It fits ProviderConfig.
func (n *Network) Listen(address string) (net.Listener, error) {
	name, port, err := splitAddress(address)
	if err != nil || name == "" {
		return nil, fmt.Errorf("listening on %q: want host:port", address)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if port == 0 {
		port = n.ephemeral()
	}
	l := &listener{network: n, key: net.JoinHostPort(name, strconv.Itoa(port))}
	l.change.L = &l.mu
	l.addr = &net.TCPAddr{IP: n.host(name).IP, Port: port}
	if n.listeners[l.key] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: l.addr, Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	n.listeners[l.key] = l
	return l, nil
}

func splitAddress(address string) (name string, port int, err error) {
	name, service, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(service)
	return name, port, err
}

func (n *Network) ephemeral() int {
	n.port++
	return n.port
}

// Dial returns the dial function of a host. It connects to a host by name or by
// its address. Errors are those of a real network: an unknown name is a
// *net.DNSError, nobody listening is ECONNREFUSED, a cut path is an i/o timeout
// when the context ends (or after 127 s, as on Linux).
func (n *Network) Dial(from string) func(ctx context.Context, network, address string) (net.Conn, error) {
	n.IP(from)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := n.dial(ctx, from, network, address)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
}

func (n *Network) dial(ctx context.Context, from, network, address string) (*conn, error) {
	host, port, err := splitAddress(address)
	if err != nil || !strings.HasPrefix(network, "tcp") {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.AddrError{Err: "bad network or address", Addr: address}}
	}
	to, addr, ok := n.resolve(host, port)
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
	}
	ctx, cancel := context.WithTimeout(ctx, synTimeout)
	defer cancel()
	if err := n.reach(ctx, from, to); err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: addr, Err: err}
	}
	c, err := n.connect(from, to, addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: addr, Err: err}
	}
	return c, nil
}

// resolve finds a host by name or address.
func (n *Network) resolve(host string, port int) (name string, addr *net.TCPAddr, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if named, ok := n.names[host]; ok {
		host = named
	}
	at, ok := n.hosts[host]
	if !ok {
		return "", nil, false
	}
	return host, &net.TCPAddr{IP: at.IP, Port: port}, true
}

// reach waits until the path is not cut and a packet has gone there and back.
func (n *Network) reach(ctx context.Context, from, to string) error {
	for {
		n.mu.Lock()
		cut, changed, delay := n.isCut(from, to), n.changed, n.delayOf(from, to)
		n.mu.Unlock()
		if !cut {
			return sleep(ctx, 2*delay)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return dialError(ctx)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return dialError(ctx)
	}
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return dialError(ctx)
	}
}

func dialError(ctx context.Context) error {
	if ctx.Err() == context.Canceled {
		return context.Canceled
	}
	return timeout{ctx.Err()}
}

func (n *Network) connect(from, to string, addr *net.TCPAddr) (*conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.listeners[net.JoinHostPort(to, strconv.Itoa(addr.Port))]
	if l == nil {
		return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	a, b := newPair(n.delayOf(from, to))
	a.local, a.remote = &net.TCPAddr{IP: n.host(from).IP, Port: n.ephemeral()}, addr
	b.local, b.remote = a.remote, a.local
	p := &pipe{hosts: newPairOf(from, to), ends: [2]*conn{a, b}, open: 2}
	a.onClose = func() { n.release(p) }
	b.onClose = a.onClose
	n.pipes[p] = struct{}{}
	l.offer(b)
	return a, nil
}

// release forgets a connection when both ends are closed.
func (n *Network) release(p *pipe) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p.open--; p.open == 0 {
		delete(n.pipes, p)
	}
}
