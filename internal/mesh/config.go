package mesh

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// Limits that hold for every mesh, whatever its configuration.
const (
	// MaxMessage is the largest message that Send and Receive handle, in bytes.
	MaxMessage = 256 << 10

	maxFrame       = 1 << 20 // largest frame between peers, bytes
	maxPacket      = 2 << 10 // largest packet of memberlist, which sends 1400 and a little, bytes
	maxStream      = 4 << 20 // most bytes read from one memberlist stream
	maxState       = 2 << 20 // most bytes of State in one push/pull
	maxQueueBytes  = 1 << 20 // waiting to be written to, or read by Receive from, one peer
	maxQueueFrames = 1024
	maxStreams     = 4        // streams open at once from one peer
	maxUnfinished  = 32       // handshakes unfinished at once, all sources together
	maxHello       = 16 << 10 // most bytes read from a stranger

	messageRate  = 200  // messages a second taken from one peer, in the long run
	messageBurst = 2000 // and at once

	handshakeTimeout = 5 * time.Second
)

// Peer is a node of the roster.
type Peer struct {
	Name    string            // unique
	Key     ed25519.PublicKey // unique; what the node proves in each handshake
	Address string            // host:port of its mesh port; the host is a name, IPv4 or [IPv6]
}

// Config describes one node of a mesh.
type Config struct {
	Name  string             // this node, one of Peers
	Key   ed25519.PrivateKey // this node's, the private half of its Peer's Key
	Peers []Peer             // all nodes, this one included

	// Listener takes what the others dial. The mesh closes it.
	Listener net.Listener
	// Dial opens a TCP connection to a Peer's Address; it is called again and
	// again, so that a name is resolved afresh each time, and must end with its
	// context. Default: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Receive is called for each message that arrives, from one goroutine of the
	// mesh, possibly before Start has returned; msg may be kept but not changed. It
	// may take a lock but not block long, and must not call Close. It returns
	// whether the message is new and worth passing on. A message for which it
	// has returned true is not offered again while the mesh remembers it (some
	// thousand messages); others are, whenever they come.
	Receive func(msg []byte) (relay bool)
	// State returns the newest of everything, for those who missed it. It is
	// called from several goroutines and must not block long; the messages must
	// not be changed afterwards. Messages beyond
	// 2 MiB in all are left out. Nil: nothing.
	State func() [][]byte

	Gossip   time.Duration // memberlist's gossip; digests go out every fifth; default 200 ms
	Probe    time.Duration // memberlist's failure detector; default 5 s, a time-out is three fifths
	PushPull time.Duration // full exchange with a random member; default 30 s
	Rejoin   time.Duration // at most this long between attempts to reach a lost peer; default 5 s

	Log *slog.Logger // default: discard
}

// withDefaults checks the configuration and fills in what is left out.
func (c Config) withDefaults() (Config, error) {
	for _, d := range []struct {
		v *time.Duration
		d time.Duration
	}{{&c.Gossip, 200 * time.Millisecond}, {&c.Probe, 5 * time.Second}, {&c.PushPull, 30 * time.Second}, {&c.Rejoin, 5 * time.Second}} {
		if *d.v < 0 {
			return c, errors.New("starting the mesh: negative duration")
		}
		if *d.v == 0 {
			*d.v = d.d
		}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.State == nil {
		c.State = func() [][]byte { return nil }
	}
	if c.Listener == nil || c.Receive == nil {
		return c, errors.New("starting the mesh: Listener and Receive are needed")
	}
	if len(c.Key) != ed25519.PrivateKeySize {
		return c, errors.New("starting the mesh: no private key")
	}
	names, keys, self := map[string]bool{}, map[string]bool{}, false
	for _, p := range c.Peers {
		if p.Name == "" || len(p.Key) != ed25519.PublicKeySize || names[p.Name] || keys[string(p.Key)] {
			return c, fmt.Errorf("starting the mesh: peer %q: name and key must be there and be unique", p.Name)
		}
		names[p.Name], keys[string(p.Key)] = true, true
		if p.Name != c.Name {
			continue
		}
		if !p.Key.Equal(c.Key.Public()) {
			return c, fmt.Errorf("starting the mesh: the roster pins another key for %q than this node has", c.Name)
		}
		self = true
	}
	if !self {
		return c, fmt.Errorf("starting the mesh: %q is not among the peers", c.Name)
	}
	return c, nil
}
