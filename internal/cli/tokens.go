package cli

import (
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"

	"mailquorum/internal/config"
	"mailquorum/internal/secret"
	"mailquorum/probes/token"
)

// tokens are the configured sources of tokens, by name; client (nil: the usual one)
// asks for them. The newest refresh token
// of each is kept in the state directory. Where that cannot be, it is said: the
// tokens are good until the process ends.
func tokens(a *config.Agent, client *http.Client, log *slog.Logger) (map[string]*token.Source, error) {
	out := map[string]*token.Source{}
	for _, o := range a.OAuth {
		c := token.Config{Endpoint: o.Endpoint, ClientID: o.ClientID, ClientSecret: o.ClientSecret.Secret, Scopes: o.Scopes, BasicAuth: o.BasicAuth, Client: client}
		if configured := o.RefreshToken.Secret; !configured.Empty() {
			path := filepath.Join(a.State, "oauth-"+o.Name+".json")
			newest, err := token.Kept(path, configured)
			if err != nil {
				log.Warn("the configured refresh token is used", "oauth", o.Name, "err", err)
			}
			c.RefreshToken = newest
			c.Rotated = func(newest secret.Secret) {
				if err := token.Keep(path, configured, newest); err != nil {
					log.Error("a new refresh token is not kept: after a restart the old one may be refused", "oauth", o.Name, "err", err)
				}
			}
		}
		s, err := token.New(c)
		if err != nil {
			return nil, fmt.Errorf("oauth %s: %w", o.Name, err)
		}
		out[o.Name] = s
	}
	return out, nil
}
