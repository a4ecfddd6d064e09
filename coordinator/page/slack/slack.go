// Package slack sends pages to a chat room through an incoming webhook of
// Slack's form, which Mattermost, Rocket.Chat and Discord (with /slack at the
// end of its URL) understand as well.
package slack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"mailquorum/coordinator/page"
	"mailquorum/coordinator/page/post"
	"mailquorum/coordinator/store"
)

// Config is a chat room.
type Config struct {
	Name string // "": slack
	Post post.Config
}

// Destination is a page.Destination. A chat room folds nothing: an attempt that
// was accepted without an answer may be seen twice.
type Destination struct {
	name string
	post *post.Client
}

// New checks the configuration.
func New(cfg Config) (*Destination, error) {
	c, err := post.New(cfg.Post)
	if err != nil {
		return nil, fmt.Errorf("slack: %w", err)
	}
	return &Destination{cmp.Or(cfg.Name, "slack"), c}, nil
}

// Name is the configured name.
func (d *Destination) Name() string { return d.name }

type message struct {
	Text        string       `json:"text"`
	Attachments []attachment `json:"attachments,omitempty"`
}

type attachment struct {
	Color    string   `json:"color"`
	Text     string   `json:"text"`
	Fallback string   `json:"fallback"`
	Markdown []string `json:"mrkdwn_in"`
}

// maxText bounds a message, in bytes: Slack cuts at 40,000 characters, Discord
// refuses more than 2,000.
const maxText = 1800

// Send posts the event. Any 2xx answer accepts it.
func (d *Destination) Send(ctx context.Context, e page.Event) (page.Receipt, error) {
	body, err := json.Marshal(write(e))
	if err != nil {
		return page.Receipt{}, &page.Error{Permanent: true, Rejected: true, Err: errors.New("slack: the event is no JSON")}
	}
	_, err = d.post.Post(ctx, http.Header{"Content-Type": {"application/json"}}, body)
	return page.Receipt{ID: e.Key}, err
}

func write(e page.Event) message {
	headline, color := "*"+string(e.Severity)+"*: ", "danger"
	switch {
	case e.Action == store.Resolve:
		headline, color = "*resolved*: ", "good"
	case e.Severity == page.Warning || e.Severity == page.Info:
		color = "warning"
	}
	var b strings.Builder
	if vote := drawing(e.Details["vote"]); vote != "" {
		fmt.Fprintf(&b, "```\n%s\n```\n", cut(escape(vote), maxText-400))
	}
	for _, l := range e.Links {
		fmt.Fprintf(&b, "<%s|%s>\n", escape(strings.NewReplacer("|", "%7C", ">", "%3E").Replace(l.Href)), escape(l.Text))
	}
	b.WriteString("`" + escape(e.Key) + "`")
	headline += escape(cut(e.Summary, 300))
	return message{Text: headline, Attachments: []attachment{{Color: color, Text: cut(b.String(), maxText), Fallback: headline, Markdown: []string{"text"}}}}
}

// drawing is the vote, which is lines of text, before or after its way through
// the outbox's JSON.
func drawing(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []string:
		return strings.Join(v, "\n")
	case []any:
		var lines []string
		for _, l := range v {
			lines = append(lines, fmt.Sprint(l))
		}
		return strings.Join(lines, "\n")
	}
	return ""
}

// escape keeps text from being read as a mention or a link
// (api.slack.com, "Formatting text for app surfaces").
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "'")

func escape(s string) string { return escaper.Replace(s) }

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-3], "") + "…"
}
