// Package pagerduty sends pages to PagerDuty's Events API v2. The types and the
// call are go-pagerduty's; the HTTP client under it is ours, because with an
// endpoint of one's own that library loses the error body and Retry-After.
package pagerduty

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	api "github.com/PagerDuty/go-pagerduty"

	"mailquorum/coordinator/page"
	"mailquorum/coordinator/store"
	"mailquorum/internal/secret"
)

// Default is the endpoint used without Config.URL; accounts in the EU have
// https://events.eu.pagerduty.com.
const Default = "https://events.pagerduty.com"

// Limits of the Events API v2.
const (
	MaxSummary = 1024      // characters
	MaxEvent   = 512 << 10 // bytes
	MaxKey     = 255       // characters
)

// Config is a PagerDuty service to page.
type Config struct {
	Name       string            // "": pagerduty
	URL        string            // "": Default; with or without /v2/enqueue
	RoutingKey secret.Secret     // the service's integration key
	ClientURL  string            // where the page's "view in mailquorum" leads; "": nowhere
	Transport  http.RoundTripper // nil: one of our own, which heeds HTTPS_PROXY
}

// Destination is a page.Destination.
type Destination struct {
	cfg  Config
	http *http.Client
}

// New checks the configuration.
func New(cfg Config) (*Destination, error) {
	if cfg.Name == "" {
		cfg.Name = "pagerduty"
	}
	if cfg.URL == "" {
		cfg.URL = Default
	}
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" {
		return nil, errors.New("pagerduty: url: want https://host, without user or query")
	}
	cfg.URL = strings.TrimSuffix(strings.TrimSuffix(cfg.URL, "/"), "/v2/enqueue")
	if cfg.RoutingKey.Empty() {
		return nil, errors.New("pagerduty: the routing key is missing")
	}
	if cfg.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost, t.ResponseHeaderTimeout = 2, 30*time.Second
		cfg.Transport = t
	}
	return &Destination{cfg, &http.Client{
		Transport:     cfg.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Name is the configured name.
func (d *Destination) Name() string { return d.cfg.Name }

// Sweeps: PagerDuty drops a resolve that has no open alert.
func (d *Destination) Sweeps() bool { return true }

// Send hands the event to PagerDuty. It blocks until an answer came or ctx ends;
// any error is a *page.Error.
func (d *Destination) Send(ctx context.Context, e page.Event) (page.Receipt, error) {
	event := d.event(e)
	exchange := &exchange{http: d.http}
	client := api.NewClient("", api.WithV2EventsAPIEndpoint(d.cfg.URL))
	client.HTTPClient = exchange
	answer, err := client.ManageEventWithContext(ctx, event)
	if err := exchange.verdict(answer, err); err != nil {
		err.Err = fmt.Errorf("sending to PagerDuty: %s", d.redact(err.Err.Error()))
		return page.Receipt{}, err
	}
	return page.Receipt{ID: answer.DedupKey}, nil
}

// redact takes the routing key out of what others said.
func (d *Destination) redact(s string) string {
	key := d.cfg.RoutingKey.Reveal()
	return strings.NewReplacer(key, "<secret>", url.QueryEscape(key), "<secret>").Replace(s)
}

// event translates, within the API's limits.
func (d *Destination) event(e page.Event) *api.V2Event {
	out := &api.V2Event{
		RoutingKey: d.cfg.RoutingKey.Reveal(), Action: string(e.Action), DedupKey: truncate(e.Key, MaxKey),
	}
	if e.Action != store.Trigger {
		return out
	}
	out.Client, out.ClientURL = "mailquorum", d.cfg.ClientURL
	for _, l := range e.Links {
		out.Links = append(out.Links, l)
	}
	out.Payload = &api.V2Payload{
		Summary: truncate(e.Summary, MaxSummary), Source: orElse(e.Source, "mailquorum"), Severity: string(severity(e.Severity)),
		Timestamp: e.At.UTC().Format(time.RFC3339), Component: e.Component, Class: e.Class, Details: e.Details,
	}
	out.Payload.Summary = orElse(out.Payload.Summary, "mailquorum")
	fit(out, e.Details)
	return out
}

// fit drops details, the largest first, until the event is within the limit.
func fit(out *api.V2Event, details map[string]any) {
	left := map[string]any{}
	for k, v := range details {
		left[k] = v
	}
	for {
		b, err := json.Marshal(out)
		if err == nil && len(b) <= MaxEvent || len(left) == 0 {
			return
		}
		var largest string
		size := -1
		for k, v := range left {
			b, err := json.Marshal(v)
			if err != nil {
				size, largest = 1<<30, k
			} else if len(b) > size {
				size, largest = len(b), k
			}
		}
		delete(left, largest)
		out.Payload.Details = left
		out.Links = out.Links[:min(len(out.Links), 10)]
	}
}

func severity(s page.Severity) page.Severity {
	switch s {
	case page.Critical, page.Failure, page.Warning, page.Info:
		return s
	}
	return page.Critical // in doubt wake people
}

// truncate shortens s to n characters.
func truncate(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
