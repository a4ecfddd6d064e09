package submit

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"mailquorum/internal/secret"
	"mailquorum/probes"
	"mailquorum/probes/mailtest"
)

const host = "mail.provider.test"

var message = []byte("Message-ID: <tok-1@x>\r\nSubject: canary\r\n\r\nhi\r\n.\r\n..dots\r\n")

// site is a provider on an in-memory network.
type site struct {
	net *mailtest.Network
	p   *mailtest.Provider
	cfg Config // good: submission over implicit TLS
}

func newSite(t *testing.T) *site {
	t.Helper()
	n := mailtest.NewNetwork()
	p, err := mailtest.StartProvider(mailtest.ProviderConfig{
		Listen: n.Listen, SMTPS: host + ":465", Submission: host + ":587", MX: host + ":25",
		Users: []mailtest.User{{Name: "agent1", Password: "secret-agent1"}, {Name: "agent2", Password: "x"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return &site{net: n, p: p, cfg: Config{
		Address: host + ":465", TLS: Implicit, TLSConfig: &tls.Config{RootCAs: p.CA()},
		Username: "agent1", Password: secret.New("secret-agent1"),
		From: "agent1@provider.test", To: "agent2@provider.test", Hello: "eu-west.canary.test",
		Dial: n.Dial("agent.test"), Timeout: 20 * time.Second,
	}}
}

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

// send submits, and checks what holds for every submission.
func send(t *testing.T, ctx context.Context, cfg Config) (Result, *probes.Error) {
	t.Helper()
	var told []probes.Timing
	res, err := Send(ctx, cfg, message, func(x probes.Timing) { told = append(told, x) })
	checkResult(t, cfg, res, err, told)
	if err == nil {
		return res, nil
	}
	return res, err.(*probes.Error)
}

func checkResult(t *testing.T, cfg Config, res Result, err error, told []probes.Timing) {
	t.Helper()
	if len(told) != len(res.Timings) {
		t.Errorf("progress was told of %v, the result has %v", told, res.Timings)
	}
	for i, x := range res.Timings {
		if i > 0 && x.Stage <= res.Timings[i-1].Stage || x.Duration < 0 {
			t.Errorf("timings out of order or negative: %v", res.Timings)
		}
	}
	if err == nil {
		if res.Accepted.IsZero() || res.Reply.Code/100 != 2 {
			t.Errorf("accepted without time or reply: %+v", res)
		}
		return
	}
	var e *probes.Error
	if !errors.As(err, &e) || e != err {
		t.Fatalf("%T is no *probes.Error: %v", err, err)
	}
	if !res.Accepted.IsZero() {
		t.Errorf("accepted at %v although %v", res.Accepted, err)
	}
	for _, x := range res.Timings {
		if x.Stage == e.Stage {
			t.Errorf("stage %v failed, and has a duration", e.Stage)
		}
	}
	checkNoSecret(t, cfg, res, e)
}

func TestEveryTLSModeIsAccepted(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		stages []probes.Stage
	}{
		"implicit": {func(*Config) {}, []probes.Stage{probes.StageConnect, probes.StageTLS, probes.StageAuth, probes.StageEnvelope, probes.StageData}},
		"starttls": {func(c *Config) { c.Address, c.TLS = host+":587", STARTTLS },
			[]probes.Stage{probes.StageConnect, probes.StageTLS, probes.StageAuth, probes.StageEnvelope, probes.StageData}},
		"login": {func(c *Config) { c.Mechanism = MechanismLogin },
			[]probes.Stage{probes.StageConnect, probes.StageTLS, probes.StageAuth, probes.StageEnvelope, probes.StageData}},
		"plain": {func(c *Config) { c.Address, c.TLS, c.Username = host+":25", Plain, "" },
			[]probes.Stage{probes.StageConnect, probes.StageEnvelope, probes.StageData}},
		"resolved": {func(c *Config) {
			c.Resolver = hosts{host: {host}}
		}, []probes.Stage{probes.StageResolve, probes.StageConnect, probes.StageTLS, probes.StageAuth, probes.StageEnvelope, probes.StageData}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newSite(t)
				c.change(&s.cfg)
				res, err := send(t, t.Context(), s.cfg)
				if err != nil {
					t.Fatal(err)
				}
				var stages []probes.Stage
				for _, x := range res.Timings {
					stages = append(stages, x.Stage)
				}
				if len(stages) != len(c.stages) {
					t.Errorf("stages %v, want %v", stages, c.stages)
				}
				if res.QueueID == "" || res.Reply.Enhanced != "2.0.0" || res.Egress == "" {
					t.Errorf("result %+v", res)
				}
				if secure := s.cfg.TLS != Plain; secure != (res.TLS.Version == "TLS 1.3" && res.TLS.Verified && !res.TLS.NotAfter.IsZero()) {
					t.Errorf("TLS facts %+v", res.TLS)
				}
				time.Sleep(time.Second)
				if n, _ := s.p.Count("agent2", "INBOX"); n != 1 {
					t.Errorf("%d mails arrived", n)
				}
			})
		})
	}
}

// The provider's switches that touch the submission.
func TestWhatTheProviderDoes(t *testing.T) {
	for name, c := range map[string]struct {
		do        func(*site)
		outcome   probes.Outcome
		stage     probes.Stage
		temporary bool
		arrive    int // mails in the mailbox in the end
	}{
		"reject":                   {func(s *site) { s.p.Set(mailtest.Reject) }, probes.Policy, probes.StageEnvelope, false, 0},
		"defer":                    {func(s *site) { s.p.Set(mailtest.Defer) }, probes.Throttled, probes.StageEnvelope, true, 0},
		"reject after the message": {func(s *site) { s.p.Set(mailtest.RejectData) }, probes.Policy, probes.StageData, false, 0},
		"defer after the message":  {func(s *site) { s.p.Set(mailtest.DeferData) }, probes.Ambiguous, probes.StageData, true, 0},
		"blocked egress":           {func(s *site) { s.p.BlockEgress(s.net.IP("agent.test").String(), true) }, probes.Throttled, probes.StageEnvelope, true, 0},
		"ports closed":             {func(s *site) { s.p.SMTPDown(true) }, probes.Failed, probes.StageConnect, true, 0},
		"hung":                     {func(s *site) { s.p.SMTPHang(true) }, probes.Failed, probes.StageTLS, true, 0},
		"identity service down":    {func(s *site) { s.p.RefuseAuth(true) }, probes.AuthFailed, probes.StageAuth, false, 0},
		"wrong password":           {func(s *site) { s.cfg.Password = secret.New("not-that-one") }, probes.AuthFailed, probes.StageAuth, false, 0},
		"slower than we wait":      {func(s *site) { s.p.Set(mailtest.Slow(time.Minute)) }, probes.Failed, probes.StageEnvelope, true, 0},
		"no such user":             {func(s *site) { s.cfg.To = "nobody@provider.test" }, probes.Failed, probes.StageEnvelope, false, 0},
		"no relay":                 {func(s *site) { s.cfg.To = "agent2@elsewhere.test" }, probes.Policy, probes.StageEnvelope, false, 0},
		"network cut":              {func(s *site) { s.net.Cut("agent.test", host, true) }, probes.Failed, probes.StageConnect, true, 0},
		"no such host":             {func(s *site) { s.cfg.Address = "mail.nowhere.test:465" }, probes.Failed, probes.StageResolve, false, 0},
		"no login at the MX":       {func(s *site) { s.cfg.Address, s.cfg.TLS, s.cfg.AllowPlainAuth = host+":25", Plain, true }, probes.AuthFailed, probes.StageAuth, true, 0},
		"certificate of strangers": {func(s *site) { s.cfg.TLSConfig = nil }, probes.Failed, probes.StageTLS, true, 0},
		"plain to a TLS port":      {func(s *site) { s.cfg.TLS, s.cfg.Username = Plain, "" }, probes.Failed, probes.StageConnect, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newSite(t)
				c.do(s)
				began := time.Now()
				_, err := send(t, t.Context(), s.cfg)
				if err == nil {
					t.Fatal("accepted")
				}
				if err.Outcome != c.outcome || err.Stage != c.stage || err.Temporary != c.temporary {
					t.Errorf("outcome %v at %v, temporary %v: %v (%s)", err.Outcome, err.Stage, err.Temporary, err, err.Hint)
				}
				if took := time.Since(began); took > s.cfg.Timeout+quitGrace {
					t.Errorf("took %v", took)
				}
				time.Sleep(time.Minute)
				if n, _ := s.p.Count("agent2", "INBOX"); n != c.arrive {
					t.Errorf("%d mails arrived, want %d", n, c.arrive)
				}
			})
		})
	}
}

func TestEachAddressGetsItsTurn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(t)
		good := s.net.IP(host).String()
		s.net.Cut("agent.test", "dead.test", true)
		for name, c := range map[string]struct {
			addresses []string
			fails     bool
		}{
			"second":   {[]string{"10.9.9.9", good}, false},
			"cut one":  {[]string{s.net.IP("dead.test").String(), good}, false},
			"none":     {nil, true},
			"both bad": {[]string{"10.9.9.9", s.net.IP("dead.test").String()}, true},
		} {
			s.cfg.Resolver = hosts{host: c.addresses}
			res, err := send(t, t.Context(), s.cfg)
			if (err != nil) != c.fails {
				t.Errorf("%s: %v", name, err)
			}
			if !c.fails && res.Server != good {
				t.Errorf("%s: sent to %q", name, res.Server)
			}
		}
	})
}
