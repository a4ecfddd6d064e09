package mesh

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// The protocols spoken on one port, negotiated in the handshake (RFC 7301).
const (
	protoFrames = "mailquorum-frames/1"
	protoStream = "mailquorum-stream/1"
)

// A pinned key needs no dates, and a node with a wrong clock must still be able
// to say so: certificates are valid always, and are checked at one fixed time.
var (
	validFrom  = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)
	validUntil = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) // RFC 5280 section 4.1.2.5: no end
	checkedAt  = func() time.Time { return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) }
)

var keySubject = pkix.Name{CommonName: "mailquorum mesh key"}

// hostName is the name in the certificate of a node. It is a hash, so that it is
// a valid host name whatever the node's is, and tells a listener nothing.
func hostName(node string) string {
	sum := sha256.Sum256([]byte("mailquorum mesh host\x00" + node))
	return hex.EncodeToString(sum[:16]) + ".mailquorum.invalid"
}

// certificate signs a node's name with its own key.
func certificate(name string, key ed25519.PrivateKey) (tls.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mailquorum mesh node"}, DNSNames: []string{hostName(name)},
		NotBefore: validFrom, NotAfter: validUntil, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, &x509.Certificate{Subject: keySubject}, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// pin makes a trust store of a single key: a root certificate that holds it.
// Nobody checks who signed a root, so any throw-away key does. Thus the library's
// own verification does the pinning, and none of it is switched off.
func pin(key ed25519.PublicKey) (*x509.CertPool, error) {
	_, signer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("pinning a key: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: keySubject, NotBefore: validFrom, NotAfter: validUntil,
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}, &x509.Certificate{Subject: keySubject}, key, signer)
	if err != nil {
		return nil, fmt.Errorf("pinning a key: %w", err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("pinning a key: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return pool, nil
}

// proven returns an error unless the other end has proved to be p: the key that
// the roster pins signed the certificate, is the certificate's key, and stands
// there under p's name.
func (p *peer) proven(cs tls.ConnectionState, usage x509.ExtKeyUsage) error {
	leaf := cs.PeerCertificates[0]
	if key, ok := leaf.PublicKey.(ed25519.PublicKey); !ok || !key.Equal(p.Key) {
		return errors.New("not the pinned key")
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: p.pool, DNSName: hostName(p.Name), CurrentTime: checkedAt(), KeyUsages: []x509.ExtKeyUsage{usage}})
	return err
}

// serverTLS is how strangers are met: the handshake ends for all but peers.
func (m *Mesh) serverTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{m.cert}, ClientAuth: tls.RequireAnyClientCert,
		NextProtos: []string{protoFrames, protoStream}, SessionTicketsDisabled: true, Time: checkedAt,
		VerifyConnection: func(cs tls.ConnectionState) error {
			p := m.peerOf(cs)
			if p == nil {
				return errors.New("unknown key")
			}
			if cs.NegotiatedProtocol == "" {
				return errors.New("no protocol named")
			}
			return p.proven(cs, x509.ExtKeyUsageClientAuth)
		},
	}
}

// clientTLS expects exactly the peer p at the other end.
func (m *Mesh) clientTLS(p *peer, proto string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{m.cert}, RootCAs: p.pool, ServerName: hostName(p.Name),
		NextProtos: []string{proto}, SessionTicketsDisabled: true, Time: checkedAt,
		VerifyConnection: func(cs tls.ConnectionState) error {
			if cs.NegotiatedProtocol != proto {
				return errors.New("another protocol")
			}
			return p.proven(cs, x509.ExtKeyUsageServerAuth)
		},
	}
}

// peerOf returns the peer whose key the other end has proved, or nil.
func (m *Mesh) peerOf(cs tls.ConnectionState) *peer {
	if len(cs.PeerCertificates) == 0 {
		return nil
	}
	key, ok := cs.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok {
		return nil
	}
	return m.byKey[string(key)]
}
