package cli

import (
	"log/slog"
	"net"
	"time"

	"mailquorum/agent"
	"mailquorum/internal/config"
	"mailquorum/probes/collect"
	"mailquorum/probes/control"
	"mailquorum/probes/submit"
	"mailquorum/probes/token"
)

// dialer is how daemons reach the world. Keep-alives find dead peers below the
// protocols' own watchdogs.
var dialer = net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}

// routes are the configured routes as the agent takes them.
func routes(a *config.Agent, tokens map[string]*token.Source) []agent.Route {
	out := make([]agent.Route, 0, len(a.Routes))
	for _, r := range a.Routes {
		s := r.Submit
		out = append(out, agent.Route{Name: r.Name, Service: r.Service, To: r.To, Mailbox: r.Mailbox, Reuse: s.Reuse, Submit: submit.Config{
			Address: s.Address, Domain: s.MX, TLS: submit.TLSMode(s.TLS), TLSConfig: s.TLSConfig, Username: s.Username, Password: s.Password.Secret,
			Mechanism: string(s.Mechanism), AllowPlainAuth: s.AllowPlainAuth || s.TLS == config.Plain && config.Loopback(s.Address), From: s.From, To: r.To, Hello: s.Hello,
			Timeout: s.Timeout}})
		if src := tokens[s.OAuth]; src != nil { // a nil *Source is no nil TokenSource
			out[len(out)-1].Submit.Tokens = src
		}
	}
	return out
}

// mailboxes are the configured mailboxes as the collector takes them.
func mailboxes(a *config.Agent, tokens map[string]*token.Source, log *slog.Logger) []collect.Config {
	out := make([]collect.Config, 0, len(a.Mailboxes))
	for _, m := range a.Mailboxes {
		out = append(out, collect.Config{Name: m.Name, Address: m.Address, TLS: collect.TLSMode(m.TLS), TLSConfig: m.TLSConfig,
			Username: m.Username, Password: m.Password.Secret, Mechanism: string(m.Mechanism), Folder: m.Folder, Junk: m.Junk, Keep: m.Keep, Log: log})
		if src := tokens[m.OAuth]; src != nil {
			out[len(out)-1].Tokens = src
		}
	}
	return out
}

// targets are the configured controls.
func targets(a *config.Agent) []control.Target {
	var out []control.Target
	for _, c := range a.Controls {
		t := control.Target{Name: c.Name, Kind: control.TLS, Address: c.TLS}
		switch {
		case c.HTTPS != "":
			t.Kind, t.Address = control.HTTPS, c.HTTPS
		case c.DNS != "":
			t.Kind, t.Address = control.DNS, c.DNS
		}
		out = append(out, t)
	}
	return out
}
