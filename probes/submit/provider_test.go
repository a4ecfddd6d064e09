package submit

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"syscall"
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

// Bug 1 of other probers: a mail that is delivered but answered 451 deadlocks one
// of them for ever. Here it is ambiguous at once, and the mail is found.
func TestBug1DeliveredButAnswered451(t *testing.T) {
	for name, mode := range map[string]mailtest.Mode{"451": mailtest.DeferDelivered, "cut": mailtest.CutAfterData} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newSite(t)
				s.p.Set(mode)
				began := time.Now()
				_, err := send(t, t.Context(), s.cfg)
				if err == nil || err.Outcome != probes.Ambiguous || err.Stage != probes.StageData {
					t.Errorf("want ambiguous at data, got %v", err)
				}
				if took := time.Since(began); took > quitGrace {
					t.Errorf("took %v", took)
				}
				time.Sleep(time.Minute)
				if n, _ := s.p.Count("agent2", "INBOX"); n != 1 {
					t.Errorf("%d mails arrived: the scene is not what it says", n)
				}
			})
		})
	}
}

// Bug 2: a 550 at the end of DATA counted as sent; a connection lost after MAIL
// FROM made one prober panic.
func TestBug2RefusedAfterTheMessageIsNotSent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(t)
		s.p.Set(mailtest.RejectData)
		res, err := send(t, t.Context(), s.cfg)
		if err == nil || err.Outcome.Accepted() || !res.Accepted.IsZero() || res.QueueID != "" {
			t.Errorf("counted as sent: %+v, %v", res, err)
		}
		if res.Reply.Code != 550 {
			t.Errorf("the reply is not kept: %+v", res.Reply)
		}
	})
	inBubble(t, func(t *testing.T) {
		s := newSite(t)
		s.p.Set(mailtest.Slow(10 * time.Second)) // and in that time the connection is lost
		time.AfterFunc(5*time.Second, func() { s.p.SMTPDown(true) })
		_, err := send(t, t.Context(), s.cfg)
		if err == nil || err.Stage != probes.StageEnvelope || err.Outcome != probes.Failed {
			t.Errorf("lost after MAIL FROM: %v", err)
		}
	})
}

// Bug 5: a login was reported as successful although the dial had failed, since
// the prober looked for the word "login" in the error.
func TestBug5FailedDialIsNoLogin(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(t)
		s.cfg.Dial = func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("535 login: authentication successful, 250 ok, too many, 5.7.1")
		}
		res, err := send(t, t.Context(), s.cfg)
		if err == nil || err.Outcome != probes.Failed || err.Stage != probes.StageConnect || len(res.Timings) != 0 {
			t.Errorf("want failed at connect with no stage passed, got %v and %v", err, res.Timings)
		}
	})
}

// Bug 8: time-outs were observed into the latency histogram.
func TestBug8TimeOutIsNoLatency(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(t)
		s.p.Set(mailtest.Slow(time.Hour))
		res, err := send(t, t.Context(), s.cfg)
		if err == nil || err.Stage != probes.StageEnvelope {
			t.Fatal(err)
		}
		for _, x := range res.Timings { // checkResult has looked for the stage that failed
			if x.Duration >= s.cfg.Timeout {
				t.Errorf("%v took %v", x.Stage, x.Duration)
			}
		}
	})
}

func TestTheEndOfTheContextEndsTheDialogue(t *testing.T) {
	boss := errors.New("the agent is stopping")
	for name, c := range map[string]struct {
		script  []string
		outcome probes.Outcome
	}{
		"before the greeting": {[]string{"gone"}, probes.Unknown},
		"in the envelope":     {[]string{"greet", "C MAIL FROM:<agent1@provider.test> BODY=8BITMIME SIZE=57", "gone"}, probes.Unknown},
		"after the message":   {[]string{"greet", "envelope", "message", "gone"}, probes.Ambiguous},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				n, ca := mailtest.NewNetwork(), newCA(t)
				cfg := Config{Address: host + ":25", TLS: Plain, From: "agent1@provider.test", To: "agent2@provider.test",
					Hello: "eu-west.canary.test", Dial: n.Dial("agent.test")}
				done, err := serve(n, ca, cfg.Address, c.script)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(5*time.Second, func() { cancel(boss) })
				began := time.Now()
				_, e := send(t, ctx, cfg)
				if e == nil || e.Outcome != c.outcome || !errors.Is(e, boss) {
					t.Errorf("want %v because %q, got %v", c.outcome, boss, e)
				}
				if took := time.Since(began); took != 5*time.Second {
					t.Errorf("took %v", took)
				}
				if err := <-done; err != nil {
					t.Error("the server:", err)
				}
			})
		})
	}
}

// The caller's deadline is the server's time-out as well as our own is.
func TestTheCallersDeadlineIsATimeOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(t)
		s.p.SMTPHang(true)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		_, err := send(t, ctx, s.cfg)
		if err == nil || err.Outcome != probes.Failed || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// Stage durations add up to what the clock on the wall shows, and the delay of
// each stage is in that stage.
func TestTimingsAreThoseOfTheStages(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n, ca := mailtest.NewNetwork(), newCA(t)
		cfg := Config{Address: host + ":587", TLS: STARTTLS, TLSConfig: &tls.Config{RootCAs: ca.Pool()},
			Username: "agent1", Password: secret.New("secret-agent1"), From: "agent1@provider.test", To: "agent2@provider.test",
			Hello: "eu-west.canary.test", Dial: n.Dial("agent.test")}
		cfg.Resolver = slowly{time.Millisecond, hosts{host: {host}}}
		script := []string{"sleep 2ms", "S 220 scripted", "C EHLO eu-west.canary.test", "S 250-scripted\\r\\n250 STARTTLS",
			"C STARTTLS", "sleep 4ms", "S 220 go", "tls", "hello", "C AUTH PLAIN AGFnZW50MQBzZWNyZXQtYWdlbnQx", "sleep 8ms", "S 235 ok",
			"C MAIL FROM:<agent1@provider.test> BODY=8BITMIME SIZE=57", "sleep 16ms", "S 250 ok", "C RCPT TO:<agent2@provider.test>", "S 250 ok",
			"C DATA", "S 354 go", "dot", "sleep 32ms", "S 250 ok", "quit"}
		done, err := serve(n, ca, cfg.Address, script)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		res, e := send(t, t.Context(), cfg)
		if e != nil {
			t.Fatal(e)
		}
		var sum time.Duration
		for i, x := range res.Timings {
			sum += x.Duration
			if want := time.Millisecond << i; x.Duration != want {
				t.Errorf("%v took %v, want %v", x.Stage, x.Duration, want)
			}
		}
		if res.Accepted.Sub(began) != sum || sum != 63*time.Millisecond {
			t.Errorf("the stages add up to %v, accepted after %v", sum, res.Accepted.Sub(began))
		}
		if err := <-done; err != nil {
			t.Error("the server:", err)
		}
	})
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

func TestAMisconfiguredRouteIsNeverEvidence(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"password in clear": {func(c *Config) { c.TLS = Plain }, "tls: plain would send the password in clear text"},
		"no TLS mode":       {func(c *Config) { c.TLS = "" }, `tls: "": want implicit, starttls or plain`},
		"no port":           {func(c *Config) { c.Address = host }, "want host:port"},
		"odd host":          {func(c *Config) { c.Address = "a b:25" }, `"a b" is no host name`},
		"mechanism":         {func(c *Config) { c.Mechanism = "cram-md5" }, `mechanism: "cram-md5"`},
		"no password":       {func(c *Config) { c.Password = secret.New("") }, "password: missing"},
		"zero in password":  {func(c *Config) { c.Password = secret.New("a\x00b") }, "zero byte"},
		"from":              {func(c *Config) { c.From = "a@b\r\nRCPT TO:<x@y>" }, "from:"},
		"to":                {func(c *Config) { c.To = "" }, "to:"},
		"hello":             {func(c *Config) { c.Hello = "a\r\nMAIL" }, "hello:"},
		"timeout":           {func(c *Config) { c.Timeout = -1 }, "timeout:"},
	} {
		inBubble(t, func(t *testing.T) {
			s := newSite(t)
			c.change(&s.cfg)
			s.cfg.Dial = func(context.Context, string, string) (net.Conn, error) {
				t.Error(name, "was dialled")
				return nil, io.EOF
			}
			_, err := send(t, t.Context(), s.cfg)
			if err == nil || err.Outcome != probes.Unknown || err.Temporary || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: want unknown with %q, got %v", name, c.want, err)
			}
		})
	}
	if _, err := Send(t.Context(), Config{}, nil, nil); err == nil || !strings.Contains(err.Error(), "message is empty") {
		t.Errorf("an empty message: %v", err)
	}
}

// Running out of descriptors is this machine's fault.
func TestOurOwnShortageIsUnknown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(t)
		s.cfg.Dial = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
		}
		if _, err := send(t, t.Context(), s.cfg); err == nil || err.Outcome != probes.Unknown {
			t.Error(err)
		}
	})
}

// No setting of TLSConfig but the few that are named is used.
func TestTheVerificationCannotBeTurnedOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(t)
		off := &tls.Config{}
		reflect.ValueOf(off).Elem().FieldByName("Insecure" + "SkipVerify").SetBool(true)
		off.MinVersion, off.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
		s.cfg.TLSConfig = off
		if _, err := send(t, t.Context(), s.cfg); err == nil || err.Stage != probes.StageTLS {
			t.Errorf("want a failure of the handshake, got %v", err)
		}
	})
}
