package collect

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mailquorum/internal/secret"
	"mailquorum/probes"
	"mailquorum/probes/token"
)

// tokens is a source that renews a refused token.
type tokens struct {
	mu       sync.Mutex
	current  int
	rejected int
	err      error
}

func (s *tokens) Token(context.Context) (secret.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return secret.New("planted-token-" + string(rune('0'+s.current))), s.err
}

func (s *tokens) Reject(secret.Secret) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rejected++
	s.current++
	return true
}

// oauthServer takes the token "planted-token-<good>" by the mechanisms that caps
// name.
func oauthServer(caps, good string) func(*script) {
	return func(s *script) {
		s.caps += " SASL-IR " + caps
		s.serve(func(tag, name, line string) bool {
			switch name {
			case "AUTHENTICATE":
				f := strings.Fields(line)
				initial, err := base64.StdEncoding.DecodeString(f[len(f)-1])
				if err == nil && strings.Contains(string(initial), "auth=Bearer planted-token-"+good+"\x01") && strings.Contains(string(initial), "agent1") {
					s.say("%s OK welcome", tag)
					break
				}
				s.say("+ %s", base64.StdEncoding.EncodeToString([]byte(`{"status":"400","schemes":"Bearer"}`)))
				s.command()
				s.say("%s NO Invalid credentials", tag)
			default:
				return false
			}
			return true
		})
	}
}

func TestTokens(t *testing.T) {
	for _, c := range []struct {
		name, caps, good, mechanism string
		src                         *tokens
		want                        []probes.Outcome
		rejected                    int
	}{
		{"XOAUTH2", "AUTH=XOAUTH2", "0", "", &tokens{}, nil, 0},
		{"OAUTHBEARER", "AUTH=PLAIN AUTH=OAUTHBEARER", "0", "", &tokens{}, nil, 0},
		{"chosen", "AUTH=XOAUTH2 AUTH=OAUTHBEARER", "0", MechanismOAUTHBEARER, &tokens{}, nil, 0},
		{"renewed", "AUTH=XOAUTH2", "1", "", &tokens{}, nil, 1},
		{"refused", "AUTH=XOAUTH2", "9", "", &tokens{}, []probes.Outcome{probes.AuthFailed}, 2},
		{"not offered", "AUTH=PLAIN", "0", "", &tokens{}, []probes.Outcome{probes.Unknown}, 0},
		{"no token", "AUTH=XOAUTH2", "0", "", &tokens{err: &token.Error{Detail: "unreachable"}}, []probes.Outcome{probes.Unknown}, 0},
		{"no consent", "AUTH=XOAUTH2", "0", "", &tokens{err: &token.Error{Refused: true, Code: "invalid_grant"}}, []probes.Outcome{probes.Policy}, 0},
		{"odd source", "AUTH=XOAUTH2", "0", "", &tokens{err: errors.New("hm")}, []probes.Outcome{probes.Unknown}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inScript(t, oauthServer(c.caps, c.good), func(w *world) {
				w.start(func(cfg *Config) { cfg.Tokens, cfg.Mechanism, cfg.Password = c.src, c.mechanism, secret.Secret{} })
				if got := w.outcomes(); !slices.Equal(got, c.want) {
					t.Errorf("failures: %v", w.failed)
				}
				if c.src.rejected != c.rejected {
					t.Errorf("%d tokens rejected, want %d", c.src.rejected, c.rejected)
				}
				if len(c.want) > 0 && w.failed[0].Hint == "" {
					t.Error("no hint")
				}
				w.end()
				if all := w.log.String() + w.box.Dialogue().String() + w.errors(); strings.Contains(all, "planted-token") {
					t.Errorf("a token is printed: %s", all)
				}
			})
		})
	}
}

// The last failed session can be read, without secrets and without mail.
func TestDialogue(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put("INBOX", foreign(1))
		w.start(nil)
		if d := w.box.Dialogue(); len(d.Lines) > 0 {
			t.Errorf("a dialogue without a failure:\n%s", d)
		}
		w.p.IMAPHang(true)
		w.box.Scan()
		w.after(time.Minute)
		w.p.IMAPHang(false)
		d := w.box.Dialogue().String()
		for _, want := range []string{"connected to", "TLS 1.3", "logging in as agent1", "LIST", "SELECT INBOX", "BODY.PEEK[HEADER]", "no answer within 30s"} {
			if !strings.Contains(d, want) {
				t.Errorf("the dialogue lacks %q:\n%s", want, d)
			}
		}
		for _, bad := range []string{"secret-1", base64.StdEncoding.EncodeToString([]byte("\x00agent1\x00secret-1")), "Subject: hello"} {
			if strings.Contains(d, bad) {
				t.Errorf("the dialogue holds %q:\n%s", bad, d)
			}
		}
	})
}
