package probes

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// HintOfCertificate says what to do about a server's certificate that was refused
// (by crypto/tls or crypto/x509), each ground apart; empty if err is about something
// else. It names fields of the configuration.
func HintOfCertificate(err error) string {
	var (
		name    x509.HostnameError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		refused *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("the certificate is for other names: %s; check the host in address, or set server_name", namesOf(name.Certificate))
	case errors.As(err, &unknown):
		return "the certificate's issuer is not known here: for a CA of your own set ca_file to its certificate, else mend this machine's trust store"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the certificate is valid from %s to %s: if that includes today, this machine's clock is wrong",
			invalid.Cert.NotBefore.UTC().Format(time.DateOnly), invalid.Cert.NotAfter.UTC().Format(time.DateOnly))
	case errors.As(err, &invalid), errors.As(err, &refused):
		return "the certificate is not fit for a server: tell whoever runs it"
	}
	return ""
}

// namesOf lists what a certificate is for, the first few.
func namesOf(c *x509.Certificate) string {
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "none"
	}
	if more := len(names) - 5; more > 0 {
		names = append(names[:5], fmt.Sprintf("and %d more", more))
	}
	return Clean(strings.Join(names, ", "))
}
