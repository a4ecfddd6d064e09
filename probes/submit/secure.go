package submit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"

	"mailquorum/probes"
	"mailquorum/probes/guard"
)

// secure shakes hands over the session's connection. The certificate is always
// verified; no session is resumed, so that each canary sees the certificate.
func (s *session) secure(ctx context.Context) error {
	s.guard.Arm(guard.Handshake, s.deadline)
	c := tls.Client(s.guard, s.cfg.tls(s.server))
	if err := c.HandshakeContext(ctx); err != nil {
		if bad := (*tls.CertificateVerificationError)(nil); errors.As(err, &bad) {
			s.result.TLS = factsOfChain(bad.UnverifiedCertificates)
		}
		return err
	}
	state := c.ConnectionState()
	facts := factsOfChain(state.PeerCertificates)
	facts.Version, facts.Cipher = tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)
	facts.Resumed, facts.Verified = state.DidResume, true
	s.result.TLS = facts
	s.conn = s.tap.Conn(c)
	s.tap.Note("%s, %s", facts.Version, facts.Cipher)
	return nil
}

// factsOfChain are the facts that a server's certificates tell, leaf first.
func factsOfChain(chain []*x509.Certificate) probes.TLSFacts {
	var f probes.TLSFacts
	for i, c := range chain {
		if i == 0 {
			f.Issuer = probes.Clean(c.Issuer.String())
		}
		if f.NotAfter.IsZero() || c.NotAfter.Before(f.NotAfter) {
			f.NotAfter = c.NotAfter.In(time.UTC)
		}
	}
	return f
}
