package submit

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/foxcpp/go-mockdns"

	"mailquorum/probes"
	"mailquorum/probes/mailtest"
)

// hosts resolves names to addresses of an in-memory network.
type hosts map[string][]string

func (h hosts) LookupHost(_ context.Context, host string) ([]string, error) {
	if a, ok := h[host]; ok {
		return a, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func (h hosts) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// slowly takes its time before each answer.
type slowly struct {
	time.Duration
	Resolver
}

func (s slowly) LookupHost(ctx context.Context, host string) ([]string, error) {
	time.Sleep(s.Duration)
	return s.Resolver.LookupHost(ctx, host)
}

// mxSite is a network with mail exchangers that greet with their names, and the
// zones that name them.
type mxSite struct {
	net   *mailtest.Network
	zones map[string]mockdns.Zone
	cfg   Config
	done  map[string]<-chan error
}

var takesIt = []string{"greet", "envelope", "message", "S 250 ok", "quit"}

func newMXSite(t *testing.T) *mxSite {
	t.Helper()
	s := &mxSite{net: mailtest.NewNetwork(), zones: map[string]mockdns.Zone{}, done: map[string]<-chan error{}}
	s.cfg = Config{Domain: "provider.test", TLS: Plain, From: "agent1@provider.test", To: "agent2@provider.test", Hello: "eu-west.canary.test",
		Resolver: &mockdns.Resolver{Zones: s.zones}, Dial: s.net.Dial("agent.test"), Timeout: 20 * time.Second}
	return s
}

// exchanger is a mail exchanger that plays a script; without one nothing listens.
func (s *mxSite) exchanger(t *testing.T, name string, script []string) {
	t.Helper()
	s.zones[name+"."] = mockdns.Zone{A: []string{s.net.IP(name).String()}}
	if script == nil {
		return
	}
	done, err := serve(s.net, newCA(t), name+":25", script)
	if err != nil {
		t.Fatal(err)
	}
	s.done[name] = done
}

func (s *mxSite) mx(records ...net.MX) { s.zones["provider.test."] = mockdns.Zone{MX: records} }

func TestMailExchangersInOrderOfPreference(t *testing.T) {
	for name, c := range map[string]struct {
		do     func(*testing.T, *mxSite)
		server string // who takes it; empty: nobody
		failed string // then: stage and a part of the error
	}{
		"one": {func(t *testing.T, s *mxSite) {
			s.exchanger(t, "a.test", takesIt)
			s.mx(net.MX{Host: "a.test.", Pref: 10})
		}, "a.test", ""},
		"the lower number first": {func(t *testing.T, s *mxSite) {
			s.exchanger(t, "a.test", nil)
			s.exchanger(t, "b.test", takesIt)
			s.mx(net.MX{Host: "a.test.", Pref: 20}, net.MX{Host: "b.test.", Pref: 10})
		}, "b.test", ""},
		"the first is down": {func(t *testing.T, s *mxSite) {
			s.exchanger(t, "a.test", nil)
			s.exchanger(t, "b.test", takesIt)
			s.mx(net.MX{Host: "a.test.", Pref: 10}, net.MX{Host: "b.test.", Pref: 20})
		}, "b.test", ""},
		"the first does not answer": {func(t *testing.T, s *mxSite) {
			s.exchanger(t, "a.test", nil)
			s.net.Cut("agent.test", "a.test", true)
			s.exchanger(t, "b.test", takesIt)
			s.mx(net.MX{Host: "a.test.", Pref: 10}, net.MX{Host: "b.test.", Pref: 20})
		}, "b.test", ""},
		"the first never greets": {func(t *testing.T, s *mxSite) {
			s.exchanger(t, "a.test", []string{"gone"})
			s.exchanger(t, "b.test", takesIt)
			s.mx(net.MX{Host: "a.test.", Pref: 10}, net.MX{Host: "b.test.", Pref: 20})
		}, "b.test", ""},
		"the first is busy": {func(t *testing.T, s *mxSite) {
			s.exchanger(t, "a.test", []string{"S 421 4.3.2 busy"})
			s.exchanger(t, "b.test", takesIt)
			s.mx(net.MX{Host: "a.test.", Pref: 10}, net.MX{Host: "b.test.", Pref: 20})
		}, "b.test", ""},
		"the first refuses the recipient": {func(t *testing.T, s *mxSite) { // and that is an answer
			s.exchanger(t, "a.test", []string{"greet", "C MAIL FROM:<agent1@provider.test> BODY=8BITMIME SIZE=57", "S 550 5.1.1 no", "quit"})
			s.exchanger(t, "b.test", nil)
			s.mx(net.MX{Host: "a.test.", Pref: 10}, net.MX{Host: "b.test.", Pref: 20})
		}, "", "envelope 550 5.1.1 no"},
		"several addresses": {func(t *testing.T, s *mxSite) {
			s.exchanger(t, "a.test", takesIt)
			s.zones["a.test."] = mockdns.Zone{A: []string{s.net.IP("dead.test").String(), s.net.IP("a.test").String()}}
			s.mx(net.MX{Host: "a.test.", Pref: 10})
		}, "a.test", ""},
		"the first has no address": {func(t *testing.T, s *mxSite) {
			s.exchanger(t, "b.test", takesIt)
			s.mx(net.MX{Host: "nowhere.test.", Pref: 10}, net.MX{Host: "b.test.", Pref: 20})
		}, "b.test", ""},
		"the first has no name": {func(t *testing.T, s *mxSite) {
			s.exchanger(t, "b.test", takesIt)
			s.mx(net.MX{Host: "not a host.", Pref: 10}, net.MX{Host: ".", Pref: 15}, net.MX{Host: "b.test.", Pref: 20})
		}, "b.test", ""},
		"none: the domain itself": {func(t *testing.T, s *mxSite) {
			s.exchanger(t, "provider.test", takesIt)
		}, "provider.test", ""},
		"null MX": {func(t *testing.T, s *mxSite) {
			s.exchanger(t, "provider.test", nil)
			s.mx(net.MX{Host: ".", Pref: 0})
		}, "", "resolve the domain takes no mail"},
		"no such domain": {func(*testing.T, *mxSite) {}, "", "resolve"},
		"the resolver is broken": {func(t *testing.T, s *mxSite) {
			s.zones["provider.test."] = mockdns.Zone{Err: &net.DNSError{Err: "server misbehaving", Name: "provider.test", IsTemporary: true}}
		}, "", "resolve"},
		"all down": {func(t *testing.T, s *mxSite) {
			s.exchanger(t, "a.test", nil)
			s.exchanger(t, "b.test", nil)
			s.mx(net.MX{Host: "a.test.", Pref: 10}, net.MX{Host: "b.test.", Pref: 20})
		}, "", "connect"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newMXSite(t)
				c.do(t, s)
				res, err := send(t, t.Context(), s.cfg)
				switch {
				case c.server != "" && err != nil:
					t.Errorf("%v\n%s", err, res.Dialogue)
				case c.server != "" && res.Server != s.net.IP(c.server).String():
					t.Errorf("taken by %s", res.Server)
				case c.server == "":
					if err == nil || err.Outcome != probes.Failed || !strings.HasPrefix(err.Stage.String()+" "+strings.TrimPrefix(err.Error(), err.Stage.String()+": "), c.failed) {
						t.Errorf("want %q, got %v", c.failed, err)
					}
				}
				for host, done := range s.done {
					if err := <-done; err != nil {
						t.Errorf("%s: %v", host, err)
					}
				}
				if err == nil && (len(res.Timings) != 4 || res.Timings[0].Stage != probes.StageResolve) {
					t.Errorf("timings %v", res.Timings)
				}
			})
		})
	}
}

// The certificate must bear the exchanger's name, not the domain's.
func TestAnExchangersCertificateBearsItsName(t *testing.T) {
	for name, ok := range map[string]bool{"mx.provider.test": true, "provider.test": false} {
		inBubble(t, func(t *testing.T) {
			s := newMXSite(t)
			ca := newCA(t)
			s.cfg.TLS, s.cfg.TLSConfig = STARTTLS, &tls.Config{RootCAs: ca.Pool()}
			s.exchanger(t, "mx.provider.test", nil)
			s.mx(net.MX{Host: "mx.provider.test.", Pref: 10})
			done, err := serve(s.net, ca, "mx.provider.test:25", []string{"S 220 scripted", "C EHLO eu-west.canary.test", "S 250-scripted\\r\\n250 STARTTLS",
				"C STARTTLS", "S 220 go ahead", "tls " + name, "hello", "envelope", "message", "S 250 ok", "quit"})
			if err != nil {
				t.Fatal(err)
			}
			_, e := send(t, t.Context(), s.cfg)
			if ok != (e == nil) || !ok && e.Stage != probes.StageTLS {
				t.Errorf("a certificate for %s: %v", name, e)
			}
			<-done
		})
	}
}

func TestDomainAndAddressExcludeEachOther(t *testing.T) {
	for want, c := range map[string]Config{
		"domain: there is an address": {Domain: "a.test", Address: "b.test:25", TLS: Plain},
		"is no domain":                {Domain: "a b", TLS: Plain},
		"no implicit TLS":             {Domain: "a.test", TLS: Implicit},
		"take no login":               {Domain: "a.test", TLS: STARTTLS, Username: "u"},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// A client certificate is shown where the server asks for one.
func TestClientCertificate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n, ca := mailtest.NewNetwork(), newCA(t)
		cert, err := ca.Leaf(host)
		own, err2 := ca.Leaf("agent.test")
		l, err3 := n.Listen(host + ":465")
		if err := errors.Join(err, err2, err3); err != nil {
			t.Fatal(err)
		}
		seen := make(chan string, 1)
		go func() {
			defer l.Close()
			conn, _ := l.Accept()
			tc := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert})
			defer tc.Close()
			if tc.Handshake() == nil {
				seen <- tc.ConnectionState().PeerCertificates[0].Subject.CommonName
			}
			close(seen)
		}()
		cfg := Config{Address: host + ":465", TLS: Implicit, TLSConfig: &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{own}},
			From: "agent1@provider.test", To: "agent2@provider.test", Dial: n.Dial("agent.test")}
		send(t, t.Context(), cfg)
		if got := <-seen; got != "agent.test" {
			t.Errorf("the server saw %q", got)
		}
	})
}
