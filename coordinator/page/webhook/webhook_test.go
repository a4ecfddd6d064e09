package webhook

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"mailquorum/coordinator/page"
	"mailquorum/coordinator/page/post"
	"mailquorum/coordinator/store"
	"mailquorum/internal/secret"
)

func TestMessageAndSignature(t *testing.T) {
	key := secret.New("shared")
	var got []message
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := Verify(key, r.Header.Get(Header), body, time.Now(), time.Minute); err != nil {
			t.Error(err)
		}
		var m message
		if err := json.Unmarshal(body, &m); err != nil {
			t.Error(err)
		}
		got = append(got, m)
	}))
	defer srv.Close()
	d, err := New(Config{Post: post.Config{URL: secret.New(srv.URL), Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, Secret: key, URL: "https://status.example"})
	if err != nil {
		t.Fatal(err)
	}
	e := page.Event{Action: store.Trigger, Key: "mailquorum/test/outage/mx/1", Summary: "outage: mx", Severity: page.Critical, Source: "example", Component: "mx",
		Class: "outage", At: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), Details: map[string]any{"vote": []string{"eu-west down", "us-east down"}, "onset": "10:00"},
		Links: []page.Link{{Href: "https://status.example/1"}}}
	for _, a := range []store.Action{store.Trigger, store.Resolve} {
		e.Action = a
		if r, err := d.Send(t.Context(), e); err != nil || r.ID != e.Key {
			t.Fatal(r, err)
		}
	}
	for i, want := range []string{"firing", "resolved"} {
		m := got[i]
		a := m.Alerts[0]
		if m.Version != "4" || m.Status != want || a.Status != want || a.EndsAt.IsZero() != (want == "firing") || m.Receiver != "webhook" || m.GroupKey != e.Key ||
			a.Labels["alertname"] != "outage" || a.Labels["severity"] != "critical" || a.Annotations["vote"] != `["eu-west down","us-east down"]` ||
			a.Annotations["onset"] != "10:00" || a.GeneratorURL != "https://status.example/1" || a.Fingerprint != got[0].Alerts[0].Fingerprint {
			t.Errorf("%+v", m)
		}
	}
}

func TestSignatureIsChecked(t *testing.T) {
	key, now, body := secret.New("shared"), time.Unix(1_800_000_000, 0), []byte(`{"a":1}`)
	good := Sign(key, now, body)
	if err := Verify(key, good, body, now.Add(30*time.Second), time.Minute); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"another key":  Verify(secret.New("other"), good, body, now, time.Minute),
		"another body": Verify(key, good, []byte(`{"a":2}`), now, time.Minute),
		"another time": Verify(key, "t=1800000001"+good[len("t=1800000000"):], body, now, time.Minute),
		"too old":      Verify(key, good, body, now.Add(2*time.Minute), time.Minute),
		"nothing":      Verify(key, "", body, now, time.Minute),
		"no hex":       Verify(key, "t=1800000000,v1=zz", body, now, time.Minute),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
