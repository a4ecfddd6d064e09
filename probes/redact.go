package probes

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// struckOut stands where a secret stood.
const struckOut = "<secret>"

// A secret of at least longSecret characters is struck out when its first
// secretHead are met, up to the end of the word: what a server echoes may be cut.
const (
	longSecret = 32
	secretHead = 16
)

// Redactor strikes secrets out of text, in each form in which they go over the
// wire: as they are, quoted as in IMAP, in base64, and as a part of a URL. The zero
// value strikes out nothing.
type Redactor struct{ forms []string } // longest first

// NewRedactor makes a redactor for the given secrets; empty ones are ignored.
func NewRedactor(secrets ...string) Redactor {
	var r Redactor
	for _, s := range secrets {
		if s == "" {
			continue
		}
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
		b64 := base64.StdEncoding.EncodeToString([]byte(s))
		for _, form := range []string{s, quoted, b64, strings.TrimRight(b64, "="), base64.RawURLEncoding.EncodeToString([]byte(s)), url.QueryEscape(s)} {
			if !slices.Contains(r.forms, form) {
				r.forms = append(r.forms, form)
			}
		}
	}
	slices.SortStableFunc(r.forms, func(a, b string) int { return len(b) - len(a) })
	return r
}

// Redact returns text without the secrets.
func (r Redactor) Redact(text string) string {
	for _, form := range r.forms {
		text = strings.ReplaceAll(text, form, struckOut)
	}
	for _, form := range r.forms {
		if len(form) >= longSecret {
			text = strikeWords(text, form[:secretHead])
		}
	}
	return text
}

// strikeWords strikes out what begins with head, up to the next space, quote or
// end of line.
func strikeWords(text, head string) string {
	for from := 0; ; {
		i := strings.Index(text[from:], head)
		if i < 0 {
			return text
		}
		i += from
		end := len(text)
		if n := strings.IndexAny(text[i+len(head):], " \t\r\n\"'<>"); n >= 0 {
			end = i + len(head) + n
		}
		text = text[:i] + struckOut + text[end:]
		from = i + len(struckOut)
	}
}
