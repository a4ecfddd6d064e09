package token

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mailquorum/internal/secret"
	"mailquorum/probes/mailtest"
)

const (
	clientSecret = "the-client-secret-0123456789abcdef"
	firstRefresh = "the-first-refresh-token-0123456789"
)

// authority is an authorization server on an in-memory network.
type authority struct {
	net *mailtest.Network
	cfg Config

	mu     sync.Mutex
	forms  []url.Values // of the requests
	answer func(w http.ResponseWriter, r *http.Request, n int)
}

// newAuthority starts one that answers request n with token-n, valid for an hour.
func newAuthority(t *testing.T) *authority {
	t.Helper()
	n := mailtest.NewNetwork()
	ca, err := mailtest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Leaf("login.authority.test")
	if err != nil {
		t.Fatal(err)
	}
	l, err := n.Listen("login.authority.test:443")
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{net: n, answer: func(w http.ResponseWriter, r *http.Request, n int) {
		tell(w, 200, map[string]any{"access_token": fmt.Sprintf("token-%d-0123456789abcdef0123456789", n), "token_type": "Bearer", "expires_in": 3600})
	}}
	srv := &http.Server{Handler: a, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
	go srv.ServeTLS(l, "", "")
	t.Cleanup(func() { srv.Close() })
	a.cfg = Config{
		Endpoint: "https://login.authority.test/token", ClientID: "app", ClientSecret: secret.New(clientSecret),
		RefreshToken: secret.New(firstRefresh), Scopes: []string{"smtp", "offline"},
		Client: &http.Client{Transport: &http.Transport{DialContext: n.Dial("agent.test"), DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: ca.Pool()}}},
	}
	return a
}

func tell(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	if user, pw, ok := r.BasicAuth(); ok {
		r.PostForm.Set("basic", user+":"+pw)
	}
	a.mu.Lock()
	a.forms = append(a.forms, r.PostForm)
	n, answer := len(a.forms), a.answer
	a.mu.Unlock()
	answer(w, r, n)
}

func (a *authority) asked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.forms)
}

// will sets what the server answers from now on.
func (a *authority) will(f func(w http.ResponseWriter, r *http.Request, n int)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = f
}

func (a *authority) refuses(status int, code string) {
	a.will(func(w http.ResponseWriter, r *http.Request, n int) {
		tell(w, status, map[string]any{"error": code, "error_description": "AADSTS700082: because of " + r.PostForm.Get("refresh_token") + "\r\nsecond line"})
	})
}

func (a *authority) source(t *testing.T) *Source {
	t.Helper()
	s, err := New(a.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// want gets a token and checks which one it is.
func want(t *testing.T, s *Source, n int) secret.Secret {
	t.Helper()
	tok, err := s.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.Reveal(); !strings.HasPrefix(got, fmt.Sprintf("token-%d-", n)) {
		t.Fatalf("got %.8s, want token-%d", got, n)
	}
	return tok
}

// wantError checks the error, and that it prints no secret.
func wantError(t *testing.T, s *Source, refused bool, hint string) *Error {
	t.Helper()
	tok, err := s.Token(t.Context())
	var e *Error
	if err == nil || !errors.As(err, &e) {
		t.Fatalf("%s, %v", tok, err)
	}
	if e.Refused != refused || !strings.Contains(e.Hint(), hint) {
		t.Errorf("refused %v, hint %q: %v", e.Refused, e.Hint(), e)
	}
	printed := fmt.Sprintf("%v %+v %#v %s", e, *e, e.Err, e.Hint())
	for _, s := range []string{clientSecret, firstRefresh, url.QueryEscape(clientSecret), "token-1-"} {
		if strings.Contains(printed, s) {
			t.Errorf("%q is printed: %s", s, printed)
		}
	}
	if strings.ContainsAny(e.Error(), "\r\n") {
		t.Errorf("on two lines: %q", e.Error())
	}
	return e
}

func inBubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

func TestATokenIsKeptUntilItIsAboutToExpire(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newAuthority(t)
		s := a.source(t)
		want(t, s, 1)
		time.Sleep(50 * time.Minute)
		want(t, s, 1)
		time.Sleep(6 * time.Minute) // four minutes left
		want(t, s, 2)
		f := a.forms[0]
		if f.Get("grant_type") != "refresh_token" || f.Get("refresh_token") != firstRefresh || f.Get("client_id") != "app" || f.Get("client_secret") != clientSecret {
			t.Errorf("asked with %v", f)
		}
	})
}

func TestClientCredentials(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newAuthority(t)
		a.cfg.RefreshToken, a.cfg.BasicAuth = secret.Secret{}, true
		want(t, a.source(t), 1)
		f := a.forms[0]
		if f.Get("grant_type") != "client_credentials" || f.Get("scope") != "smtp offline" || f.Get("basic") != "app:"+clientSecret || f.Get("client_secret") != "" {
			t.Errorf("asked with %v", f)
		}
	})
}

func TestAShortLifeIsRenewedAtHalf(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newAuthority(t)
		a.will(func(w http.ResponseWriter, r *http.Request, n int) {
			tell(w, 200, map[string]any{"access_token": fmt.Sprintf("token-%d-", n), "token_type": "Bearer", "expires_in": 60})
		})
		s := a.source(t)
		want(t, s, 1)
		time.Sleep(29 * time.Second)
		want(t, s, 1)
		time.Sleep(2 * time.Second)
		want(t, s, 2)
	})
}

func TestALifeThatNobodyTellsIsShort(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newAuthority(t)
		a.will(func(w http.ResponseWriter, r *http.Request, n int) {
			tell(w, 200, map[string]any{"access_token": fmt.Sprintf("token-%d-", n), "token_type": "Bearer"})
		})
		s := a.source(t)
		want(t, s, 1)
		time.Sleep(unknownLife)
		want(t, s, 2)
	})
}

// While the token lives, trouble of the authorization server is nobody's concern.
func TestAnOldTokenIsUsedWhileRenewalFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newAuthority(t)
		s := a.source(t)
		want(t, s, 1)
		a.will(func(w http.ResponseWriter, r *http.Request, n int) {
			http.Error(w, "down", http.StatusServiceUnavailable)
		})
		time.Sleep(57 * time.Minute)
		want(t, s, 1)
		time.Sleep(4 * time.Minute)
		wantError(t, s, false, "")
	})
}

func TestWhoseFaultItIs(t *testing.T) {
	page := func(status int, body string) func(http.ResponseWriter, *http.Request, int) {
		return func(w http.ResponseWriter, r *http.Request, n int) { w.WriteHeader(status); io.WriteString(w, body) }
	}
	for name, c := range map[string]struct {
		do      func(*authority)
		refused bool
		hint    string
	}{
		"revoked":           {func(a *authority) { a.refuses(400, "invalid_grant") }, true, "authorize the canary account anew"},
		"client secret":     {func(a *authority) { a.refuses(401, "invalid_client") }, true, "client secret"},
		"consent":           {func(a *authority) { a.refuses(400, "interaction_required") }, true, "consent"},
		"scope":             {func(a *authority) { a.refuses(400, "invalid_scope") }, true, "scopes"},
		"code nobody knows": {func(a *authority) { a.refuses(400, "out_of_cheese") }, true, ""},
		"403 with no code":  {func(a *authority) { a.will(page(403, "no")) }, true, ""},
		"busy":              {func(a *authority) { a.refuses(429, "slow_down") }, false, ""},
		"broken":            {func(a *authority) { a.will(page(500, "oops "+clientSecret)) }, false, ""},
		"says so itself":    {func(a *authority) { a.refuses(400, "temporarily_unavailable") }, false, ""},
		"no JSON":           {func(a *authority) { a.will(page(200, "<html>")) }, false, ""},
		"no token":          {func(a *authority) { a.will(page(200, "{}")) }, false, ""},
		"404":               {func(a *authority) { a.will(page(404, "")) }, false, ""},
		"redirect": {func(a *authority) {
			a.will(func(w http.ResponseWriter, r *http.Request, _ int) {
				http.Redirect(w, r, "https://evil.test/", http.StatusTemporaryRedirect)
			})
		}, false, ""},
		"endless": {func(a *authority) { a.will(endless) }, false, ""},
		"silent": {func(a *authority) {
			a.will(func(w http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() })
		}, false, ""},
		"unreachable":         {func(a *authority) { a.net.Cut("agent.test", "login.authority.test", true) }, false, ""},
		"no such host":        {func(a *authority) { a.cfg.Endpoint = "https://login.nowhere.test/" }, false, ""},
		"certificate unknown": {func(a *authority) { a.cfg.Client.Transport.(*http.Transport).TLSClientConfig = nil }, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a := newAuthority(t)
				c.do(a)
				began := time.Now()
				e := wantError(t, a.source(t), c.refused, c.hint)
				if c.hint == "" && e.Hint() != "" {
					t.Errorf("hint %q", e.Hint())
				}
				if took := time.Since(began); took > patience {
					t.Errorf("took %v", took)
				}
				time.Sleep(5 * time.Minute) // net/http goes on dialling behind a request that was given up
			})
		})
	}
}

func endless(w http.ResponseWriter, r *http.Request, _ int) {
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"access_token":"`)
	for range 10_000 {
		if _, err := io.WriteString(w, strings.Repeat("x", 1000)); err != nil {
			return
		}
	}
}

// A refusal is not asked for again at once: authorities lock accounts for less.
func TestARefusalHolds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newAuthority(t)
		good := a.answer
		a.refuses(400, "invalid_grant")
		s := a.source(t)
		for range 5 {
			wantError(t, s, true, "anew")
			time.Sleep(refusalHold / 10)
		}
		if n := a.asked(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		a.will(good)
		time.Sleep(refusalHold)
		want(t, s, 2)
	})
}

func TestTheNewestRefreshTokenIsUsedAndTold(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newAuthority(t)
		a.will(func(w http.ResponseWriter, r *http.Request, n int) {
			tell(w, 200, map[string]any{"access_token": fmt.Sprintf("token-%d-", n), "token_type": "Bearer", "expires_in": 3600, "refresh_token": fmt.Sprintf("refresh-%d", n)})
		})
		var told []string
		a.cfg.Rotated = func(s secret.Secret) { told = append(told, s.Reveal()) }
		s := a.source(t)
		want(t, s, 1)
		time.Sleep(time.Hour)
		want(t, s, 2)
		if got := a.forms[1].Get("refresh_token"); got != "refresh-1" {
			t.Errorf("the second request had %q", got)
		}
		if fmt.Sprint(told) != "[refresh-1 refresh-2]" {
			t.Errorf("told %v", told)
		}
	})
}

func TestARejectedTokenIsNotReturnedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newAuthority(t)
		s := a.source(t)
		first := want(t, s, 1)
		if s.Reject(first) {
			t.Error("a token that is new and refused: another one is no better")
		}
		second := want(t, s, 2)
		time.Sleep(10 * time.Minute)
		if !s.Reject(first) {
			t.Error("a token that was replaced meanwhile: the present one may be better")
		}
		want(t, s, 2)
		if !s.Reject(second) {
			t.Error("a token in use for ten minutes and then refused: worth another try")
		}
		want(t, s, 3)
	})
}

// Many routes share an account: they ask once, and nobody waits longer than he likes.
func TestOneRequestForAll(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newAuthority(t)
		good := a.answer
		a.will(func(w http.ResponseWriter, r *http.Request, n int) { time.Sleep(5 * time.Second); good(w, r, n) })
		s := a.source(t)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { want(t, s, 1) })
		}
		synctest.Wait()
		boss := errors.New("no time")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, boss)
		defer cancel()
		if _, err := s.Token(ctx); !errors.Is(err, boss) {
			t.Errorf("who does not wait: %v", err)
		}
		all.Wait()
		if n := a.asked(); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestBadConfigurations(t *testing.T) {
	good := Config{Endpoint: "https://a.test/t", ClientID: "x", ClientSecret: secret.New("y")}
	for name, change := range map[string]func(*Config){
		"clear text":      func(c *Config) { c.Endpoint = "http://a.test/t" },
		"password in URL": func(c *Config) { c.Endpoint = "https://u:p@a.test/t" },
		"no URL":          func(c *Config) { c.Endpoint = ":" },
		"no client":       func(c *Config) { c.ClientID = "" },
		"nothing secret":  func(c *Config) { c.ClientSecret = secret.Secret{} },
		"timeout":         func(c *Config) { c.Timeout = -1 },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}

func TestMechanisms(t *testing.T) {
	tok := secret.New("ya29.x")
	for _, c := range []struct {
		m                     *Mechanism
		name, initial, answer string
	}{
		{XOAUTH2("someuser@example.com", secret.New("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")), "XOAUTH2",
			"user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01", ""},
		{OAUTHBEARER("us,er=@x", "mail.example", 465, tok), "OAUTHBEARER",
			"n,a=us=2Cer=3D@x,\x01host=mail.example\x01port=465\x01auth=Bearer ya29.x\x01\x01", "\x01"},
	} {
		name, initial, err := c.m.Start()
		if err != nil || name != c.name || string(initial) != c.initial {
			t.Errorf("%s %q, %v", name, initial, err)
		}
		answer, err := c.m.Next([]byte(`{"status":"401"}`))
		if err != nil || answer == nil || string(answer) != c.answer || string(c.m.Reason) != `{"status":"401"}` {
			t.Errorf("%s: answer %q, %v, reason %q", name, answer, err, c.m.Reason)
		}
		if _, err := c.m.Next(nil); err == nil {
			t.Errorf("%s: a second challenge was answered", name)
		}
	}
}
