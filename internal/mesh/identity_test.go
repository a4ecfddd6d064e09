package mesh

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A stranger has a key that is in no roster but its own.
func TestStrangerIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 4, 10*time.Millisecond)
		for _, name := range []string{"a", "b", "c"} {
			c.start(name)
		}
		defer c.stop()
		c.within(3*time.Second, "three members", func() bool { return c.nodes["a"].Stats().Links == 2 })
		honest := c.nodes["a"].peers
		c.keys["d"] = testKey("another")
		for i := range c.peers {
			if c.peers[i].Name == "d" {
				own := append([]Peer{}, c.peers...)
				own[i].Key = c.keys["d"].Public().(ed25519.PublicKey)
				c.peers = own
			}
		}
		stranger := c.start("d")
		delete(c.nodes, "d")
		defer stranger.Close()
		stranger.say("believe me")
		c.nodes["a"].say("a secret")
		time.Sleep(30 * time.Second)
		for _, n := range c.nodes {
			if s := n.Stats(); s.Strangers == 0 || s.Members != 3 || n.has("believe me") {
				t.Errorf("%s: %+v", n.name, s)
			}
		}
		if s := stranger.Stats(); s.Members != 1 || s.Links != 0 || stranger.has("a secret") {
			t.Errorf("the stranger got in: %+v", s)
		}
		if len(honest) != 3 {
			t.Error("the roster changed")
		}
	})
}

// A peer with a key of the roster presents itself under another's name.
func TestWrongNameIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 10*time.Millisecond)
		c.start("a")
		defer c.stop()
		real := c.peers
		// b swaps names with c in its own roster, and keeps its key
		c.peers = []Peer{real[0], {"c", real[1].Key, real[2].Address}, {"b", real[2].Key, real[1].Address}}
		c.keys["c"] = c.keys["b"]
		liar := c.start("c")
		delete(c.nodes, "c")
		defer liar.Close()
		liar.say("I am c")
		time.Sleep(30 * time.Second)
		if s := c.nodes["a"].Stats(); s.Strangers == 0 || s.Members != 1 || c.nodes["a"].has("I am c") {
			t.Errorf("%+v", s)
		}
		if s := liar.Stats(); s.Links != 0 {
			t.Errorf("the liar got in: %+v", s)
		}
	})
}

// handshake runs the server's side of a against a client's configuration.
func handshake(t *testing.T, a *node, client *tls.Config) error {
	t.Helper()
	conn, err := a.cfg.Dial(context.Background(), "tcp", "a:7946")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tc := tls.Client(conn, client)
	if err := tc.Handshake(); err != nil {
		return err
	}
	_, err = readFrame(tc)
	return err
}

func TestHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, time.Millisecond)
		c.tune = func(cfg *Config) { cfg.Rejoin = time.Hour } // no dials in between
		a, b := c.start("a"), c.start("b")
		defer c.stop()
		time.Sleep(time.Second)
		toA := func(cert tls.Certificate) *tls.Config {
			cfg := b.clientTLS(b.byAddr[virtualAddress("a")], protoFrames)
			cfg.Certificates = []tls.Certificate{cert}
			return cfg
		}
		cert := func(name string, key ed25519.PrivateKey) tls.Certificate {
			out, err := certificate(name, key)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		if err := handshake(t, a, toA(cert("b", c.keys["b"]))); err != nil {
			t.Error("a peer is refused:", err)
		}
		// a certificate that b's key signed for another key
		_, other, _ := ed25519.GenerateKey(nil)
		der, err := x509.CreateCertificate(nil, mustParse(t, cert("b", other)), &x509.Certificate{Subject: keySubject}, other.Public(), c.keys["b"])
		if err != nil {
			t.Fatal(err)
		}
		plain := toA(cert("b", c.keys["b"]))
		old := plain.Clone()
		old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		nameless := plain.Clone()
		nameless.NextProtos = nil
		nameless.VerifyConnection = nil
		for what, cfg := range map[string]*tls.Config{
			"unknown key":       toA(cert("b", other)),
			"another's name":    toA(cert("c", c.keys["b"])),
			"a name of nobody":  toA(cert("x", c.keys["b"])),
			"a's own name":      toA(cert("a", c.keys["b"])),
			"a delegated key":   toA(tls.Certificate{Certificate: [][]byte{der}, PrivateKey: other}),
			"another's cert":    toA(tls.Certificate{Certificate: cert("b", c.keys["b"]).Certificate, PrivateKey: other}),
			"no certificate":    toA(tls.Certificate{}),
			"TLS 1.2":           old,
			"no protocol named": nameless,
		} {
			before := a.Stats().Strangers
			if err := handshake(t, a, cfg); err == nil {
				t.Errorf("%s: accepted", what)
			}
			time.Sleep(time.Second)
			if n := a.Stats().Strangers - before; n != 1 {
				t.Errorf("%s: %d strangers counted", what, n)
			}
		}
		// and b does not speak to anyone but a under a's name
		if err := handshake(t, a, b.clientTLS(b.byAddr[virtualAddress("c")], protoFrames)); err == nil {
			t.Error("b took a for c")
		}
	})
}

func mustParse(t *testing.T, c tls.Certificate) *x509.Certificate {
	t.Helper()
	out, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWrongConfiguration(t *testing.T) {
	good := func() Config {
		c := newCluster(t, 2, 0)
		return c.config("a", &node{}, c.net.listen("a:7946"))
	}
	for what, spoil := range map[string]func(*Config){
		"not among the peers":  func(c *Config) { c.Name = "z" },
		"pins another key":     func(c *Config) { c.Key = testKey("other") },
		"be unique":            func(c *Config) { c.Peers[1].Key = c.Peers[0].Key },
		"no private key":       func(c *Config) { c.Key = nil },
		"Listener and Receive": func(c *Config) { c.Receive = nil },
		"negative duration":    func(c *Config) { c.Probe = -1 },
	} {
		cfg := good()
		spoil(&cfg)
		if m, err := Start(cfg); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("want %q, got %v", what, err)
			if m != nil {
				m.Close()
			}
		}
	}
}

// The names of nodes may be anything that the roster allows.
func TestOddNames(t *testing.T) {
	for _, name := range []string{"a", "10.0.0.1", "a..b", "x-1.y", strings.Repeat("z", 32)} {
		key := testKey(name)
		pool, err := pin(key.Public().(ed25519.PublicKey))
		if err != nil {
			t.Fatal(err)
		}
		c, err := certificate(name, key)
		if err != nil {
			t.Fatal(err)
		}
		p := &peer{Peer: Peer{Name: name, Key: key.Public().(ed25519.PublicKey)}, pool: pool}
		cs := tls.ConnectionState{PeerCertificates: []*x509.Certificate{mustParse(t, c)}}
		if err := p.proven(cs, x509.ExtKeyUsageServerAuth); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
