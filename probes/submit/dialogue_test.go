package submit

import (
	"testing"
	"time"

	"mailquorum/internal/secret"
	"mailquorum/probes/mailtest"

	"github.com/google/go-cmp/cmp"
)

// What is kept of a dialogue: everything but the secrets and the message.
func TestTheDialogueIsKept(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n, ca := mailtest.NewNetwork(), newCA(t)
		cfg := Config{Address: host + ":25", TLS: Plain, AllowPlainAuth: true, Username: "agent1", Password: secret.New("secret-agent1"),
			From: "agent1@provider.test", To: "agent2@provider.test", Hello: "eu-west.canary.test", Dial: n.Dial("agent.test"), Timeout: 20 * time.Second}
		done, err := serve(n, ca, cfg.Address, []string{"S 220 scripted", "hello",
			"C AUTH PLAIN AGFnZW50MQBzZWNyZXQtYWdlbnQx", "S 235 welcome agent1, secret-agent1", "envelope", "message",
			"sleep 2s", "S 550 5.6.0 I do not like\\r\\nit", "C QUIT", "S 221 bye"})
		if err != nil {
			t.Fatal(err)
		}
		res, _ := send(t, t.Context(), cfg)
		want := `     0  -  connected to 10.0.0.2 from 10.0.0.1
     0  S  220 scripted
     0  C  EHLO eu-west.canary.test
     0  S  250-scripted
     0  S  250-AUTH PLAIN LOGIN
     0  S  250-SIZE 1000
     0  S  250 8BITMIME
     0  -  logging in as agent1
     0  S  235 welcome agent1, <secret>
     0  C  MAIL FROM:<agent1@provider.test> BODY=8BITMIME SIZE=57
     0  S  250 2.1.0 ok
     0  C  RCPT TO:<agent2@provider.test>
     0  S  250 2.1.5 ok
     0  C  DATA
     0  S  354 go on
     0  -  the message, 57 bytes
  2000  S  550 5.6.0 I do not like
  2000  S  it
  2000  -  failed: data: 550 5.6.0 I do not like
`
		if diff := cmp.Diff(want, res.Dialogue.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		<-done
	})
}
