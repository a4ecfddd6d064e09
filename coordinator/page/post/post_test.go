package post

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mailquorum/coordinator/page"
	"mailquorum/internal/secret"
)

// names resolves every name to fixed addresses.
type names []string

func (n names) LookupNetIP(context.Context, string, string) (out []netip.Addr, err error) {
	for _, s := range n {
		out = append(out, netip.MustParseAddr(s))
	}
	if out == nil {
		return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
	}
	return out, nil
}

// hook is a TLS server reached under a public address through a swapped dial.
func hook(t *testing.T, h http.Handler) Config {
	t.Helper()
	srv := httptest.NewTLSServer(h)
	t.Cleanup(srv.Close)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	return Config{
		URL: secret.New("https://example.com/hook/T0KENMARKER?k=QUERYMARKER"), Resolver: names{"93.184.216.34"}, Roots: roots,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address != "93.184.216.34:443" {
				t.Errorf("dialled %s", address)
			}
			return (&net.Dialer{}).DialContext(ctx, network, srv.Listener.Addr().String())
		},
	}
}

func client(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPostArrives(t *testing.T) {
	cfg := hook(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.String() != "/hook/T0KENMARKER?k=QUERYMARKER" || string(b) != "hello" || r.Header.Get("X-Test") != "1" {
			t.Errorf("%s %s %s", r.Method, r.URL, b)
		}
		_, _ = io.WriteString(w, "ok")
	}))
	if answer, err := client(t, cfg).Post(t.Context(), http.Header{"X-Test": {"1"}}, []byte("hello")); err != nil || string(answer) != "ok" {
		t.Errorf("%q, %v", answer, err)
	}
}

// Addresses that must never be dialled, in the forms in which they may come.
func TestInnerAddressesAreRefused(t *testing.T) {
	for _, a := range []string{
		"127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.254", "169.254.169.254", "169.254.0.1",
		"172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255",
		"198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
		"100::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "4000::1",
	} {
		cfg := Config{URL: secret.New("https://inner.example/"), Resolver: names{a}, Dial: func(context.Context, string, string) (net.Conn, error) {
			t.Errorf("%s was dialled", a)
			return nil, errors.New("no")
		}}
		_, err := client(t, cfg).Post(t.Context(), nil, nil)
		var e *page.Error
		if !errors.As(err, &e) || !e.Permanent || !e.Rejected {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, a := range []string{"8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001:80b::200e"} {
		if !Public(netip.MustParseAddr(a)) {
			t.Errorf("%s is public", a)
		}
	}
}

// Odd spellings of loopback addresses are names to us: what counts is what they
// resolve to.
func TestOddSpellingsAreRefused(t *testing.T) {
	for _, host := range []string{"localhost", "127.1", "0x7f000001", "2130706433", "017700000001", "127.0.0.1.nip.io", "127.0.0.1.", "[::1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]"} {
		c, err := New(Config{URL: secret.New("https://" + host + "/"), Resolver: names{"127.0.0.1"}, Dial: func(context.Context, string, string) (net.Conn, error) {
			t.Errorf("%s was dialled", host)
			return nil, errors.New("no")
		}})
		if err != nil {
			continue
		}
		if _, err := c.Post(t.Context(), nil, nil); err == nil {
			t.Errorf("%s: posted", host)
		}
	}
}

func TestOnlyThePublicOneOfManyIsDialled(t *testing.T) {
	cfg := hook(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	cfg.Resolver = names{"10.0.0.1", "::1", "93.184.216.34"}
	if _, err := client(t, cfg).Post(t.Context(), nil, nil); err != nil {
		t.Error(err)
	}
}

func TestAllowedAddressesAndPlainHTTP(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(srv.Close)
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	if _, err := client(t, Config{URL: secret.New(srv.URL), Allow: loopback}).Post(t.Context(), nil, nil); err != nil {
		t.Error(err)
	}
	if _, err := New(Config{URL: secret.New(srv.URL)}); err == nil {
		t.Error("http was accepted without allowed addresses")
	}
	if _, err := client(t, Config{URL: secret.New("http://example.com/"), Allow: loopback, Resolver: names{"93.184.216.34"}}).Post(t.Context(), nil, nil); err == nil {
		t.Error("sent in clear to a public address")
	}
}

func TestErrorsHoldNoAddressAndSayWhetherToTryAgain(t *testing.T) {
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			_, _ = io.WriteString(w, "you sent "+r.URL.String()+strings.Repeat("\x07", 1<<20))
		}
	}
	for name, c := range map[string]struct {
		h                   http.HandlerFunc
		permanent, rejected bool
		after               time.Duration
	}{
		"429":      {status(429, "Retry-After", "30"), false, true, 30 * time.Second},
		"404":      {status(404), true, true, 0},
		"500":      {status(500), false, false, 0},
		"redirect": {status(307, "Location", "https://169.254.169.254/"), false, false, 0},
		"cut":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false, false, 0},
	} {
		_, err := client(t, hook(t, c.h)).Post(t.Context(), nil, []byte("x"))
		var e *page.Error
		if !errors.As(err, &e) || e.Permanent != c.permanent || e.Rejected != c.rejected || e.RetryAfter != c.after {
			t.Errorf("%s: %+v", name, err)
			continue
		}
		if s := err.Error(); strings.Contains(s, "MARKER") || len(s) > 500 {
			t.Errorf("%s: %q", name, s)
		}
	}
	for name, cfg := range map[string]Config{
		"no such host": {URL: secret.New("https://example.com/MARKER"), Resolver: names{}},
		"refused": {URL: secret.New("https://example.com/MARKER"), Resolver: names{"93.184.216.34"}, Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
		}},
	} {
		_, err := client(t, cfg).Post(t.Context(), nil, nil)
		var e *page.Error
		if !errors.As(err, &e) || !e.Rejected || e.Permanent || strings.Contains(err.Error(), "MARKER") {
			t.Errorf("%s: %+v", name, err)
		}
	}
}

func TestURLIsChecked(t *testing.T) {
	for _, u := range []string{"", "example.com", "ftp://example.com", "https://", "https:opaque", "https://user:MARKER@example.com/", "http://example.com/", "https://[::1"} {
		if _, err := New(Config{URL: secret.New(u)}); err == nil || strings.Contains(err.Error(), "MARKER") {
			t.Errorf("%q: %v", u, err)
		}
	}
}
