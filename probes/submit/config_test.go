package submit

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"mailquorum/internal/secret"
	"mailquorum/probes"
)

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
