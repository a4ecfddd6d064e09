// Package webhook sends pages as JSON to a URL, in the form of Alertmanager's
// webhook (version 4), which many programs read already, signed with HMAC.
package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"mailquorum/coordinator/page"
	"mailquorum/coordinator/page/post"
	"mailquorum/coordinator/store"
	"mailquorum/internal/secret"
)

// Config is a webhook.
type Config struct {
	Name   string // "": webhook
	Post   post.Config
	Secret secret.Secret // key of the signature; empty: unsigned
	URL    string        // of the status page, for externalURL
}

// Destination is a page.Destination.
type Destination struct {
	cfg  Config
	post *post.Client
}

// New checks the configuration.
func New(cfg Config) (*Destination, error) {
	if cfg.Name == "" {
		cfg.Name = "webhook"
	}
	c, err := post.New(cfg.Post)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	return &Destination{cfg, c}, nil
}

// Name is the configured name.
func (d *Destination) Name() string { return d.cfg.Name }

// message is Alertmanager's webhook message, version 4.
type message struct {
	Version           string            `json:"version"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   int               `json:"truncatedAlerts"`
	Status            string            `json:"status"` // firing or resolved
	Receiver          string            `json:"receiver"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Alerts            []alert           `json:"alerts"`
}

type alert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

// Send posts the event. Any 2xx answer accepts it.
func (d *Destination) Send(ctx context.Context, e page.Event) (page.Receipt, error) {
	body, err := json.Marshal(d.message(e))
	if err != nil {
		return page.Receipt{}, &page.Error{Permanent: true, Rejected: true, Err: errors.New("webhook: the event is no JSON")}
	}
	h := http.Header{"Content-Type": {"application/json"}}
	if !d.cfg.Secret.Empty() {
		h.Set(Header, Sign(d.cfg.Secret, time.Now(), body))
	}
	_, err = d.post.Post(ctx, h, body)
	return page.Receipt{ID: e.Key}, err
}

func (d *Destination) message(e page.Event) message {
	labels := map[string]string{"alertname": e.Class, "severity": string(e.Severity), "service": e.Component, "provider": e.Source, "key": e.Key}
	annotations := map[string]string{"summary": e.Summary}
	for k, v := range e.Details {
		annotations[k] = text(v)
	}
	a := alert{Status: "firing", Labels: labels, Annotations: annotations, StartsAt: e.At.UTC(), Fingerprint: fingerprint(e.Key)}
	if e.Action == store.Resolve {
		a.Status, a.EndsAt = "resolved", e.At.UTC()
	}
	if len(e.Links) > 0 {
		a.GeneratorURL = e.Links[0].Href
	}
	return message{
		Version: "4", GroupKey: e.Key, Status: a.Status, Receiver: d.cfg.Name, ExternalURL: d.cfg.URL,
		GroupLabels: map[string]string{"key": e.Key}, CommonLabels: labels, CommonAnnotations: annotations, Alerts: []alert{a},
	}
}

// text is a detail as the string that an annotation must be.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
