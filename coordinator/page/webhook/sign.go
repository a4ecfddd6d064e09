package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"mailquorum/internal/secret"
)

// Header carries the signature: "t=<Unix seconds>,v1=<hex>", where the hex is
// HMAC-SHA256 of "<Unix seconds>.<body>".
const Header = "Mailquorum-Signature"

// Sign returns the header's value.
func Sign(key secret.Secret, at time.Time, body []byte) string {
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(sum(key, at.Unix(), body)))
}

func sum(key secret.Secret, unix int64, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(key.Reveal()))
	fmt.Fprintf(h, "%d.", unix)
	h.Write(body)
	return h.Sum(nil)
}

// Verify is for receivers: it reports whether key signed body, not more than
// tolerance away from now. Comparison takes constant time.
func Verify(key secret.Secret, header string, body []byte, now time.Time, tolerance time.Duration) error {
	var unix int64
	t, v, ok := strings.Cut(header, ",v1=")
	if _, err := fmt.Sscanf(t, "t=%d", &unix); err != nil || !ok {
		return errors.New("no signature")
	}
	mac, err := hex.DecodeString(v)
	if err != nil || !hmac.Equal(mac, sum(key, unix, body)) {
		return errors.New("wrong signature")
	}
	if age := now.Sub(time.Unix(unix, 0)).Abs(); age > tolerance {
		return fmt.Errorf("signed %v ago", age)
	}
	return nil
}

func fingerprint(key string) string {
	h := sha256.Sum256([]byte(key))
	return hex.EncodeToString(h[:8])
}
