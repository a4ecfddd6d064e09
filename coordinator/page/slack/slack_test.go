package slack

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"mailquorum/coordinator/page"
	"mailquorum/coordinator/page/post"
	"mailquorum/coordinator/store"
	"mailquorum/internal/secret"
)

func TestMessageIsReadable(t *testing.T) {
	var got []message
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var m message
		if err := json.Unmarshal(body, &m); err != nil {
			t.Error(err)
		}
		got = append(got, m)
		_, _ = io.WriteString(w, "ok")
	}))
	defer srv.Close()
	d, err := New(Config{Post: post.Config{URL: secret.New(srv.URL), Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}})
	if err != nil {
		t.Fatal(err)
	}
	e := page.Event{Action: store.Trigger, Key: "mailquorum/test/outage/mx/1", Summary: "outage: <!channel> mx & more", Severity: page.Critical,
		Details: map[string]any{"vote": []any{"eu-west ✗ ```<@U1>", "us-east ✗"}}, Links: []page.Link{{Href: "https://s.example/1?a=b|c", Text: "incident"}}}
	for _, a := range []store.Action{store.Trigger, store.Resolve} {
		e.Action = a
		if _, err := d.Send(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if got[0].Text != "*critical*: outage: &lt;!channel&gt; mx &amp; more" || got[0].Attachments[0].Color != "danger" || !strings.HasPrefix(got[1].Text, "*resolved*: ") {
		t.Errorf("%+v", got)
	}
	text := got[0].Attachments[0].Text
	if !strings.Contains(text, "```\neu-west ✗ '''&lt;@U1&gt;\nus-east ✗\n```") || !strings.Contains(text, "<https://s.example/1?a=b%7Cc|incident>") {
		t.Error(text)
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	m := write(page.Event{Summary: strings.Repeat("ü", 5000), Severity: page.Info, Details: map[string]any{"vote": strings.Repeat("é<", 5000)}})
	if len(m.Text) > 400 || len(m.Attachments[0].Text) > maxText || m.Attachments[0].Color != "warning" {
		t.Errorf("%d and %d bytes", len(m.Text), len(m.Attachments[0].Text))
	}
}
