package roster

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
)

const (
	publicPrefix  = "mqpub:"
	privatePrefix = "mqkey:"
)

// PublicKey is a node's ed25519 public key, written "mqpub:<base64>".
type PublicKey ed25519.PublicKey

// String is the form used in rosters.
func (k PublicKey) String() string {
	return publicPrefix + base64.RawURLEncoding.EncodeToString(k)
}

// MarshalText writes the form used in rosters.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the form used in rosters.
func (k *PublicKey) UnmarshalText(b []byte) error {
	rest, ok := strings.CutPrefix(string(b), publicPrefix)
	raw, err := base64.RawURLEncoding.DecodeString(rest)
	if !ok || err != nil || len(raw) != ed25519.PublicKeySize {
		return fmt.Errorf("not a public key: want %s and 43 characters, as `mailquorum key generate` prints it", publicPrefix)
	}
	*k = raw
	return nil
}

// PrivateKey is a node's ed25519 private key. It prints as nothing: the key is
// behind a pointer, as in secret.Secret, for verbs that do not fit.
type PrivateKey struct{ key *ed25519.PrivateKey }

// GenerateKey draws a new key from the operating system's random source.
func GenerateKey() PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic("roster: " + err.Error()) // crypto/rand never fails
	}
	return PrivateKey{&key}
}

// ParsePrivateKey reads the content of a key file: one line "mqkey:<base64>".
// The error never holds any of the input.
func ParsePrivateKey(b []byte) (PrivateKey, error) {
	rest, ok := strings.CutPrefix(string(bytes.TrimSpace(b)), privatePrefix)
	seed, err := base64.RawURLEncoding.DecodeString(rest)
	if !ok || err != nil || len(seed) != ed25519.SeedSize {
		return PrivateKey{}, fmt.Errorf("not a private key: want one line that begins with %s, as `mailquorum key generate` writes it", privatePrefix)
	}
	key := ed25519.NewKeyFromSeed(seed)
	return PrivateKey{&key}, nil
}

// Encode returns the content of a key file.
func (k PrivateKey) Encode() []byte {
	return []byte(privatePrefix + base64.RawURLEncoding.EncodeToString(k.key.Seed()) + "\n")
}

// Public returns the key to put into the roster.
func (k PrivateKey) Public() PublicKey { return PublicKey((*k.key).Public().(ed25519.PublicKey)) }

// Sign signs message.
func (k PrivateKey) Sign(message []byte) []byte { return ed25519.Sign(*k.key, message) }

// Seed returns the 32 secret bytes, from which an agent derives its tag key.
func (k PrivateKey) Seed() []byte { return k.key.Seed() }

// Crypto returns the key as crypto/tls wants it.
func (k PrivateKey) Crypto() ed25519.PrivateKey { return *k.key }

// String hides the key.
func (PrivateKey) String() string { return "<secret>" }

// GoString hides the key.
func (PrivateKey) GoString() string { return "<secret>" }
