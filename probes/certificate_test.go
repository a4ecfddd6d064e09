package probes_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"mailquorum/probes"
)

// The grounds on which a certificate is refused are told apart.
func TestHintOfCertificate(t *testing.T) {
	cert := &x509.Certificate{DNSNames: []string{"smtp.example.test\x1b"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1e9, 0)}
	for _, c := range []struct {
		err  error
		want string // part of the hint; empty: none
	}{
		{x509.HostnameError{Certificate: cert, Host: "mail"}, `for other names: smtp.example.test\x1b; check the host in address, or set server_name`},
		{x509.UnknownAuthorityError{Cert: cert}, "set ca_file"},
		{x509.CertificateInvalidError{Cert: cert, Reason: x509.Expired}, "valid from 1970-01-01 to 2001-09-09"},
		{x509.CertificateInvalidError{Cert: cert, Reason: x509.IncompatibleUsage}, "not fit"},
		{errors.New("odd"), "not fit"},
	} {
		err := fmt.Errorf("tls: %w", &tls.CertificateVerificationError{Err: c.err})
		if got := probes.HintOfCertificate(err); !strings.Contains(got, c.want) {
			t.Errorf("%v: %q, want %q", err, got, c.want)
		}
	}
	if got := probes.HintOfCertificate(errors.New("EOF")); got != "" {
		t.Errorf("a hint for nothing: %q", got)
	}
}
