//go:build integration

package integration

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
)

// No secret is in any log, metric, page, answer, trace, call or command line: not
// as it is, not in base64, not in hexadecimal, not in a URL.
func secrets(s *scene) {
	markers := s.markers()
	places := s.places()
	if len(places["traces"]) == 0 || !strings.Contains(places["traces"], "canary") {
		s.Error("no trace was exported")
	}
	size := 0
	for where, text := range places {
		size += len(text)
		for name, forms := range markers {
			for form, marker := range forms {
				if i := strings.Index(text, marker); i >= 0 {
					s.Errorf("%s, %s, is in %s: %q", name, form, where, text[max(0, i-80):min(len(text), i+80)])
				}
			}
		}
	}
	s.Logf("searched %d places of %d kB for %d secrets", len(places), size>>10, len(markers))
}

// forms are the ways in which a secret may be written.
func forms(value string) map[string]string {
	out := map[string]string{"in clear": value, "in hexadecimal": hex.EncodeToString([]byte(value)), "in a URL": url.QueryEscape(value)}
	// Base64 of a longer text has one of three forms, by the secret's place in it;
	// the characters at the ends depend on what is around it.
	for shift := range 3 {
		padded := append(make([]byte, shift), value...)
		padded = padded[:len(padded)/3*3]
		from := 0
		if shift > 0 {
			from = 4
		}
		out[fmt.Sprintf("in base64 (%d)", shift)] = base64.StdEncoding.EncodeToString(padded)[from:]
		out[fmt.Sprintf("in base64 of URLs (%d)", shift)] = base64.URLEncoding.EncodeToString(padded)[from:]
	}
	return out
}

// markers are the forms of every secret of the cluster.
func (s *scene) markers() map[string]map[string]string {
	s.Helper()
	out := map[string]map[string]string{"the routing key": forms(routingKey), "the wrong password": forms("wrongMarkerPassword")}
	for i := range s.agents {
		out[fmt.Sprintf("the password of agent%d", i+1)] = forms(fmt.Sprintf("secret-agent%d", i+1))
	}
	for _, d := range s.all() {
		b, err := os.ReadFile(s.file(d.name + ".key"))
		if err != nil {
			s.Fatal(err)
		}
		text := strings.TrimPrefix(strings.TrimSpace(string(b)), "mqkey:")
		seed, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || len(seed) != 32 {
			s.Fatalf("the key of %s is not what it was: %v", d.name, err)
		}
		out["the key of "+d.name] = forms(string(seed))
		out["the file with the key of "+d.name] = forms(text)
	}
	return out
}

// places are all texts that somebody might read.
func (s *scene) places() map[string]string {
	s.Helper()
	out := map[string]string{"traces": s.traces.text(), "what commands said": strings.Join(s.said, "\n")}
	get := func(node, path string) {
		body, err := s.get(node, path)
		if err != nil {
			s.Errorf("%s%s: %v", node, path, err)
		}
		out[node+path] = body
	}
	get("standin", "/calls")
	get("standin", "/incidents")
	for _, d := range s.all() {
		log, err := os.ReadFile(d.log)
		if err != nil {
			s.Fatal(err)
		}
		out["log of "+d.name] = string(log)
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", d.cmd.Process.Pid))
		if err != nil {
			s.Fatal(err)
		}
		out["command line of "+d.name] = string(line)
		get(d.name, "/metrics")
	}
	for _, agent := range s.agents {
		get(agent, "/debug/routes")
	}
	for _, coord := range s.coords {
		get(coord, "/")
		get(coord, "/api/v1/status")
		get(coord, "/api/v1/incidents")
		for _, kind := range []string{"outage", "regional", "account"} {
			if in, err := s.incident(coord, kind, s.began.AddDate(-1, 0, 0)); err == nil && in.ID != "" {
				get(coord, "/incidents/"+in.ID)
				get(coord, "/api/v1/incidents/"+in.ID)
			}
		}
	}
	return out
}

// TestForms: a secret is found wherever in a base64 text it stands.
func TestForms(t *testing.T) {
	const value = "secret-agent1?/"
	for _, around := range []string{"", "\x00", "\xff\xff", "abc", "\x00agent1\x00"} {
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
			text := encoding.EncodeToString([]byte(around + value + around))
			found := false
			for _, marker := range forms(value) {
				found = found || strings.Contains(text, marker)
			}
			if !found {
				t.Errorf("not found in %s", text)
			}
		}
	}
}
