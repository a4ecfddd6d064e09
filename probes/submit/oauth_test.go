package submit

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mailquorum/internal/secret"
	"mailquorum/probes"
	"mailquorum/probes/mailtest"
	"mailquorum/probes/token"
)

// oauthSite is a scripted server, and an authorization server that hands out
// token-1-..., token-2-... for an hour each.
type oauthSite struct {
	net    *mailtest.Network
	ca     *mailtest.CA
	cfg    Config
	issued atomic.Int32
	answer atomic.Pointer[http.HandlerFunc] // instead of a token
}

func tokenNo(n int) string { return fmt.Sprintf("token-%d-0123456789abcdef0123456789abcdef", n) }

func newOAuthSite(t *testing.T) *oauthSite {
	t.Helper()
	s := &oauthSite{net: mailtest.NewNetwork(), ca: newCA(t)}
	cert, err := s.ca.Leaf("login.test")
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.net.Listen("login.test:443")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := s.answer.Load(); f != nil {
			(*f)(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"access_token": tokenNo(int(s.issued.Add(1))), "token_type": "Bearer", "expires_in": 3600})
	})}
	go srv.ServeTLS(l, "", "")
	t.Cleanup(func() { srv.Close() })
	tokens, err := token.New(token.Config{Endpoint: "https://login.test/token", ClientID: "app", RefreshToken: secret.New("refresh"),
		Client: &http.Client{Transport: &http.Transport{DialContext: s.net.Dial("agent.test"), DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: s.ca.Pool()}}}})
	if err != nil {
		t.Fatal(err)
	}
	s.cfg = Config{Address: host + ":465", TLS: Implicit, TLSConfig: &tls.Config{RootCAs: s.ca.Pool()}, Username: "agent1@provider.test", Tokens: tokens,
		From: "agent1@provider.test", To: "agent2@provider.test", Hello: "eu-west.canary.test", Dial: s.net.Dial("agent.test"), Timeout: 20 * time.Second}
	return s
}

// send plays the AUTH part of a dialogue, and what follows it when it succeeds.
func (s *oauthSite) send(t *testing.T, auth ...string) (Result, *probes.Error) {
	t.Helper()
	script := append([]string{"tls", "S 220 scripted", "C EHLO eu-west.canary.test", "S 250-scripted\\r\\n250 AUTH PLAIN XOAUTH2 OAUTHBEARER"}, auth...)
	if len(auth) > 0 && strings.HasPrefix(auth[len(auth)-1], "S 235") {
		script = append(script, "C MAIL FROM:<agent1@provider.test>", "S 250 ok", "C RCPT TO:<agent2@provider.test>", "S 250 ok", "message", "S 250 ok")
	}
	done, err := serve(s.net, s.ca, s.cfg.Address, append(script, "quit"))
	if err != nil {
		t.Fatal(err)
	}
	res, e := Send(t.Context(), s.cfg, message, nil)
	if err := <-done; err != nil {
		t.Error("the server:", err)
	}
	if e == nil {
		s.checkSecret(t, res, nil)
		return res, nil
	}
	s.checkSecret(t, res, e.(*probes.Error))
	return res, e.(*probes.Error)
}

func (s *oauthSite) checkSecret(t *testing.T, res Result, e *probes.Error) {
	t.Helper()
	printed := fmt.Sprintf("%+v %+v %v", res, e, res.Dialogue)
	for n := range 5 {
		for _, form := range []string{tokenNo(n), base64.StdEncoding.EncodeToString([]byte(tokenNo(n))), xoauth2(n)} {
			if strings.Contains(printed, form) {
				t.Errorf("a token is printed: %s", printed)
			}
		}
	}
}

func xoauth2(n int) string {
	return base64.StdEncoding.EncodeToString([]byte("user=agent1@provider.test\x01auth=Bearer " + tokenNo(n) + "\x01\x01"))
}

func bearer(n int) string {
	return base64.StdEncoding.EncodeToString([]byte("n,a=agent1@provider.test,\x01host=" + host + "\x01port=465\x01auth=Bearer " + tokenNo(n) + "\x01\x01"))
}

func TestTokensLogIn(t *testing.T) {
	for name, c := range map[string]struct{ mechanism, line string }{
		"of itself":   {"", "C AUTH XOAUTH2 " + xoauth2(1)},
		"xoauth2":     {MechanismXOAUTH2, "C AUTH XOAUTH2 " + xoauth2(1)},
		"oauthbearer": {MechanismOAUTHBEARER, "C AUTH OAUTHBEARER " + bearer(1)},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newOAuthSite(t)
				s.cfg.Mechanism = c.mechanism
				if _, err := s.send(t, c.line, "S 235 2.7.0 welcome"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A token that has expired is replaced before anything is said.
func TestAnExpiredTokenIsReplaced(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newOAuthSite(t)
		for n := 1; n <= 3; n++ {
			if _, err := s.send(t, "C AUTH XOAUTH2 "+xoauth2(n), "S 235 ok"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
	})
}

// The server tells why, wants an answer, and says no: that is the error, and the
// server's own words are in it.
func TestARefusedTokenConcernsTheAccount(t *testing.T) {
	for mech, c := range map[string][]string{
		MechanismXOAUTH2:     {"C AUTH XOAUTH2 " + xoauth2(1), "S 334 eyJzdGF0dXMiOiI0MDAifQ==", "C "},
		MechanismOAUTHBEARER: {"C AUTH OAUTHBEARER " + bearer(1), "S 334 eyJzdGF0dXMiOiI0MDAifQ==", "C AQ=="},
	} {
		t.Run(mech, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newOAuthSite(t)
				s.cfg.Mechanism = mech
				_, err := s.send(t, append(c, "S 535-5.7.8 Username and Password not accepted "+tokenNo(1)+"\\r\\n535 5.7.8 - gsmtp")...)
				if err == nil || err.Outcome != probes.AuthFailed || err.Reply.Text != "Username and Password not accepted <secret> - gsmtp" || !strings.Contains(err.Hint, "scopes") {
					t.Errorf("%v, hint %q", err, err.Hint)
				}
			})
		})
	}
}

// A token that has served for a while and is refused was revoked: the next one
// gets its try before anybody hears of it.
func TestARevokedTokenIsReplacedAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newOAuthSite(t)
		if _, err := s.send(t, "C AUTH XOAUTH2 "+xoauth2(1), "S 235 ok"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		l, err := s.net.Listen(s.cfg.Address)
		if err != nil {
			t.Fatal(err)
		}
		greet := []string{"tls", "S 220 scripted", "C EHLO eu-west.canary.test", "S 250-scripted\\r\\n250 AUTH XOAUTH2"}
		scripts := [][]string{
			append(greet[:4:4], "C AUTH XOAUTH2 "+xoauth2(1), "S 535 5.7.3 Authentication unsuccessful", "quit"),
			append(greet[:4:4], "C AUTH XOAUTH2 "+xoauth2(2), "S 235 ok", "C MAIL FROM:<agent1@provider.test>", "S 250 ok",
				"C RCPT TO:<agent2@provider.test>", "S 250 ok", "message", "S 250 ok", "quit"),
		}
		done := make(chan error, 1)
		go func() {
			defer l.Close()
			for _, script := range scripts {
				conn, err := l.Accept()
				if err == nil {
					err = playOn(conn, s.ca, script)
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		if _, err := Send(t.Context(), s.cfg, message, nil); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error("the server:", err)
		}
	})
}

// A server that takes no tokens has not refused ours.
func TestATokenThatWasNotShownIsKept(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newOAuthSite(t)
		s.cfg.Mechanism = MechanismXOAUTH2
		time.Sleep(time.Hour)
		for range 2 {
			done, err := serve(s.net, s.ca, s.cfg.Address, []string{"tls", "S 220 scripted", "C EHLO eu-west.canary.test", "S 250-scripted\\r\\n250 AUTH PLAIN", "gone"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Send(t.Context(), s.cfg, message, nil); err == nil || err.(*probes.Error).Outcome != probes.AuthFailed {
				t.Errorf("want auth_failed, got %v", err)
			}
			<-done
			time.Sleep(10 * time.Minute)
		}
		if n := s.issued.Load(); n != 1 {
			t.Errorf("%d tokens were asked for", n)
		}
	})
}

// Whatever becomes of the authorization server, it is never the provider's fault,
// and the provider is not even dialled.
func TestATokenThatCannotBeHadIsOurs(t *testing.T) {
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		cut     bool
		outcome probes.Outcome
	}{
		"revoked": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(400)
			fmt.Fprint(w, `{"error":"invalid_grant"}`)
		}, false, probes.Policy},
		"broken":      {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }, false, probes.Unknown},
		"slow":        {func(w http.ResponseWriter, r *http.Request) { time.Sleep(time.Minute) }, false, probes.Unknown},
		"unreachable": {nil, true, probes.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newOAuthSite(t)
				if c.answer != nil {
					s.answer.Store(&c.answer)
				}
				s.net.Cut("agent.test", "login.test", c.cut)
				res, err := Send(t.Context(), s.cfg, message, nil)
				e, ok := err.(*probes.Error)
				if !ok || e.Outcome != c.outcome || e.Stage != probes.StageAuth || len(res.Timings) > 0 || e.Hint == "" {
					t.Errorf("%v, %+v", err, res)
				}
				if w := e.Outcome.Weight(); w == probes.WeightFull || e.Outcome == probes.AuthFailed {
					t.Error("an outage, or one as soon as two credential domains see it")
				}
				time.Sleep(5 * time.Minute) // net/http goes on dialling
			})
		})
	}
}

// A slow authorization server takes none of the submission's own time.
func TestASlowTokenIsNotASlowProvider(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newOAuthSite(t)
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(9 * time.Second)
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, tokenNo(1))
		})
		s.answer.Store(&slow)
		s.cfg.Timeout = 5 * time.Second
		res, err := s.send(t, "C AUTH XOAUTH2 "+xoauth2(1), "S 235 ok")
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range res.Timings {
			if x.Duration != 0 {
				t.Errorf("%v took %v", x.Stage, x.Duration)
			}
		}
	})
}

func TestTokensAreConfiguredInOneWay(t *testing.T) {
	s := func(change func(*Config)) error {
		c := Config{Address: "a.test:465", TLS: Implicit, From: "a@b.test", To: "a@b.test", Username: "u", Tokens: fixedToken{}}
		change(&c)
		return c.Validate()
	}
	if err := s(func(*Config) {}); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Config){
		"password: there is a token source as well":  func(c *Config) { c.Password = secret.New("x") },
		"mechanism: plain takes a password":          func(c *Config) { c.Mechanism = MechanismPlain },
		"mechanism: xoauth2 needs a token":           func(c *Config) { c.Mechanism, c.Tokens, c.Password = MechanismXOAUTH2, nil, secret.New("x") },
		"tls: plain would send":                      func(c *Config) { c.TLS = Plain },
		"username or password: holds a line end or ": func(c *Config) { c.Username = "u\x01auth=Bearer x" },
	} {
		if err := s(change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

type fixedToken struct{}

func (fixedToken) Token(context.Context) (secret.Secret, error) { return secret.New("t"), nil }
func (fixedToken) Reject(secret.Secret) bool                    { return false }
