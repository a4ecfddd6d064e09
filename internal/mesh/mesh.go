package mesh

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// Mesh is one node of the mesh. Its methods may be called from any goroutine.
type Mesh struct {
	cfg    Config
	began  time.Time
	cert   tls.Certificate
	peers  []*peer // without this node, in the order of the configuration
	byKey  map[string]*peer
	byAddr map[string]*peer // by virtual address
	ml     *memberlist.Memberlist
	inbox  *inbox
	seen   *seen
	count  counters

	packets  chan *memberlist.Packet
	streams  chan net.Conn
	digests  chan digest
	rejoin   chan struct{} // a link came up: look for lost members now
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	closing  sync.Once
	closeErr error

	lose func(to string) bool // tests only: frames that get lost on the way
}

// peer is another node: who it is, and what this node holds on its behalf.
type peer struct {
	Peer
	pool *x509.CertPool
	link *link
	lane int // in the inbox

	mu       sync.Mutex
	incoming func()      // closes the connection that its frames come in on
	streams  int         // open streams from it
	rate     bucket      // of its messages
	asked    atomic.Bool // a digest of it is waiting or being answered
}

// Start joins the mesh in the background: it returns once this node listens.
// Errors are those of a wrong configuration.
func Start(cfg Config) (*Mesh, error) { return start(cfg, nil) }

func start(cfg Config, lose func(to string) bool) (*Mesh, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	m := &Mesh{cfg: cfg, began: time.Now(), byKey: map[string]*peer{}, byAddr: map[string]*peer{}, seen: newSeen(seenKept), lose: lose,
		packets: make(chan *memberlist.Packet, 256), streams: make(chan net.Conn), rejoin: make(chan struct{}, 1)}
	if m.cert, err = certificate(cfg.Name, cfg.Key); err != nil {
		return nil, fmt.Errorf("starting the mesh: %w", err)
	}
	for _, c := range cfg.Peers {
		if c.Name == cfg.Name {
			continue
		}
		p := &peer{Peer: c, lane: len(m.peers)}
		if p.pool, err = pin(c.Key); err != nil {
			return nil, fmt.Errorf("starting the mesh: %w", err)
		}
		p.link = newLink(m, p)
		m.peers, m.byKey[string(c.Key)], m.byAddr[virtualAddress(c.Name)] = append(m.peers, p), p, p
	}
	m.inbox = newInbox(len(m.peers) + 1)
	m.digests = make(chan digest, len(m.peers)) // one a peer
	m.ctx, m.cancel = context.WithCancel(context.Background())
	if m.ml, err = memberlist.Create(m.memberlistConfig()); err != nil {
		m.cancel()
		return nil, fmt.Errorf("starting the mesh: %w", err)
	}
	m.wg.Go(m.accept)
	m.wg.Go(m.receive)
	m.wg.Go(m.reconcile)
	m.wg.Go(m.findLost)
	for _, p := range m.peers {
		m.wg.Go(p.link.run)
	}
	return m, nil
}

// memberlistConfig is the WAN profile with the LAN's cadence of gossip.
func (m *Mesh) memberlistConfig() *memberlist.Config {
	c := memberlist.DefaultWANConfig()
	c.Name = m.cfg.Name
	c.Transport = transport{m}
	c.Delegate = delegate{m}
	c.Alive = delegate{m}
	c.Logger = quiet(m.cfg.Log)
	c.BindPort, c.AdvertisePort = virtualPort, virtualPort
	c.RequireNodeNames = false  // indirect probes have none
	c.EnableCompression = false // 28 us for 11 %
	c.GossipInterval = m.cfg.Gossip
	c.ProbeInterval = m.cfg.Probe
	c.ProbeTimeout = m.cfg.Probe * 3 / 5
	c.PushPullInterval = m.cfg.PushPull
	c.GossipToTheDeadTime = max(c.GossipToTheDeadTime, m.cfg.PushPull)
	c.TCPTimeout = 2 * handshakeTimeout
	c.DeadNodeReclaimTime = time.Millisecond // addresses never change; 0 would mean never
	return c
}

// Send passes msg to all peers, as well as can be done at once: it never blocks
// and promises nothing. It keeps no reference to msg. Messages of more than
// MaxMessage bytes are dropped and counted.
func (m *Mesh) Send(msg []byte) {
	if len(msg) > MaxMessage || len(msg) == 0 {
		m.count.dropped.Add(1)
		return
	}
	m.seen.add(identify(msg)) // our own words coming back are no news
	f := frame{kindMessage, bytes.Clone(msg)}
	for _, p := range m.peers {
		p.link.send(f)
	}
}

// Members returns the names of the nodes that memberlist holds for alive, this
// one included, sorted. It lags: a cut is noticed after half a minute to some
// minutes. Decide nothing by it.
func (m *Mesh) Members() []string {
	var out []string
	for _, n := range m.ml.Members() {
		out = append(out, n.Name)
	}
	slices.Sort(out)
	return out
}

// leaveTimeout bounds the graceful part of Close.
const leaveTimeout = 2 * time.Second

// Close tells the others that this node leaves on purpose, then stops: it
// waits for every goroutine of this package, some seconds at most. What may
// outlive it are timers and one probe of memberlist's own, for as long as eight
// probe intervals; they touch nothing any more. Further calls return the same.
func (m *Mesh) Close() error { return m.close(leaveTimeout) }

func (m *Mesh) close(leave time.Duration) error {
	m.closing.Do(func() {
		if leave > 0 {
			if err := m.ml.Leave(leave); err != nil {
				m.cfg.Log.Debug("leaving the mesh", "error", err)
			}
		}
		m.cancel() // links write what is queued, and end
		if err := m.cfg.Listener.Close(); err != nil {
			m.closeErr = fmt.Errorf("closing the mesh: %w", err)
		}
		for _, p := range m.peers {
			p.hangUp()
		}
		m.wg.Wait()
		if err := m.ml.Shutdown(); err != nil && m.closeErr == nil {
			m.closeErr = fmt.Errorf("closing the mesh: %w", err)
		}
	})
	return m.closeErr
}
