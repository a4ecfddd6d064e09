package agent

import (
	"context"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"mailquorum/internal/secret"
	"mailquorum/probes"
	"mailquorum/probes/submit"
)

// names knows one domain, of one exchanger.
type names struct{ ip atomic.Value }

func (n *names) LookupHost(context.Context, string) ([]string, error) {
	return []string{n.ip.Load().(string)}, nil
}

func (n *names) LookupMX(context.Context, string) ([]*net.MX, error) {
	return []*net.MX{{Host: "mail.provider.test.", Pref: 10}}, nil
}

func passed(c probes.Canary, s probes.Stage) bool {
	return slices.ContainsFunc(c.Timings, func(t probes.Timing) bool { return t.Stage == s })
}

// A route may go straight to the exchangers, as strangers do.
func TestCanariesStraightToTheExchangers(t *testing.T) {
	n := &names{}
	inWorld(t, func(c *Config) {
		s := &c.Routes[0].Submit
		s.Address, s.Domain, s.TLS, s.Username, s.Password, s.Resolver = "", "provider.test", submit.STARTTLS, "", secret.Secret{}, n
	}, func(w *world) {
		n.ip.Store(w.network.IP("mail.provider.test").String())
		c := w.has(2*time.Minute, probes.Delivered)
		if !passed(c, probes.StageResolve) || passed(c, probes.StageAuth) || c.TLS.Version == "" {
			t.Errorf("stages %+v, %+v", c.Timings, c.TLS)
		}
	})
}

// With reuse a canary says nothing of the stages before the envelope, but the first
// on each connection.
func TestAKeptConnectionCarriesTheNextCanary(t *testing.T) {
	inWorld(t, func(c *Config) { c.Routes[0].Reuse = true }, func(w *world) {
		w.within(5*time.Minute, "three", func() bool { return w.outcomes()[probes.Delivered] >= 3 })
		all := w.canaries()
		for i, c := range all[:3] {
			if got := passed(c, probes.StageConnect); got != (i == 0) || !passed(c, probes.StageData) {
				t.Errorf("canary %d passed %+v", i, c.Timings)
			}
			if c.TLS.Version == "" {
				t.Errorf("canary %d without TLS", i)
			}
		}
	})
}
