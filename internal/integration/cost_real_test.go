//go:build integration

package integration

import (
	"path/filepath"
	"testing"
)

// postfixAndDovecot starts the real provider.
func postfixAndDovecot(b *testing.B) mailAccount {
	b.Helper()
	p := startProvider(b, room(b), freePorts(b))
	return mailAccount{smtps: p.address(465), imaps: p.address(993), address: "agent1@provider.test", password: "secret-agent1",
		caFile: filepath.Join(p.dir, "tls/ca.pem")}
}

// BenchmarkRealRoundTrip is BenchmarkRoundTrip with Postfix and Dovecot.
func BenchmarkRealRoundTrip(b *testing.B) { roundTrip(b, postfixAndDovecot(b)) }

// BenchmarkRealIdle is BenchmarkIdle with Postfix and Dovecot.
func BenchmarkRealIdle(b *testing.B) { idle(b, postfixAndDovecot(b)) }
