package agent

import (
	"testing"
	"time"

	"mailquorum/probes"
	"mailquorum/probes/mailtest"
)

// What the receiver found of SPF, DKIM and DMARC explains why a canary is junk.
func TestAuthenticationResultsAreKeptAndCounted(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.provider.Set(mailtest.Drop)
		c := w.has(2*time.Minute, probes.InFlight)
		mail := "Authentication-Results: mx.provider.test;\r\n\tspf=softfail smtp.mailfrom=x; dkim=none;\r\n\tdmarc=my{label}=\"injection\" header.from=x\r\n" +
			string(w.agent.letter(w.agent.route("here-mail"), c).Bytes())
		if err := w.provider.Put("canary", mailtest.JunkBox, []byte(mail)); err != nil {
			t.Fatal(err)
		}
		c = w.has(6*time.Minute, probes.Junked)
		if want := (probes.AuthResults{Server: "mx.provider.test", SPF: "softfail", DKIM: "none", DMARC: "other"}); c.Auth != want {
			t.Errorf("kept %+v, want %+v", c.Auth, want)
		}
		for result, want := range map[string]string{`method="spf",result="softfail"`: "1", `method="dkim",result="none"`: "1",
			`method="dmarc",result="other"`: "1", `method="dkim",result="pass"`: "0"} {
			if n := w.metric(`mailquorum_authentication_results_total{route="here-mail",` + result + `}`); n != want {
				t.Errorf("%s: %q, want %s", result, n, want)
			}
		}
	})
}
