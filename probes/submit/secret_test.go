package submit

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"mailquorum/probes"
)

// checkNoSecret looks for the password in everything that can be printed of a
// failure, in clear, base64 and URL form.
func checkNoSecret(t *testing.T, cfg Config, res Result, e *probes.Error) {
	t.Helper()
	pw := cfg.Password.Reveal()
	if pw == "" {
		return
	}
	printed := fmt.Sprintf("%v %+v %#v %v %s %s %+v %#v", e, *e, e.Reply, e.Err, e.Hint, e.Error(), res, cfg)
	plain := "\x00" + cfg.Username + "\x00" + pw
	for _, form := range []string{pw, base64.StdEncoding.EncodeToString([]byte(pw)), base64.StdEncoding.EncodeToString([]byte(plain)), url.QueryEscape(pw)} {
		if strings.Contains(printed, form) {
			t.Errorf("the secret is printed as %q in %s", form, printed)
		}
	}
	for _, text := range []string{e.Error(), e.Hint, e.Reply.Text} {
		if strings.ContainsAny(text, "\r\n\x00") {
			t.Errorf("unclean text %q", text)
		}
	}
}
