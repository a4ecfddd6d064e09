package roster

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"
)

// key returns a key that depends on i alone.
func key(i byte) PrivateKey {
	k, err := ParsePrivateKey([]byte("mqkey:" + strings.Repeat("A", 42) + string("AEIMQUYcgkosw048"[i%16])))
	if err != nil {
		panic(err)
	}
	return k
}

func good() *Roster {
	return &Roster{
		Cluster: "acme", Version: 3,
		Regions:  []Region{{Name: "eu", Domain: "aws"}, {Name: "us"}, {Name: "ap"}},
		Services: []Service{{Name: "mail", Provider: "mimecast"}, {Name: "eu-only", Provider: "mimecast", Regions: []string{"us", "eu"}, Combine: All}},
		Nodes: []Node{
			{Name: "a1", Role: Agent, Region: "eu", Key: key(1).Public(), Address: "a1:7946"},
			{Name: "a2", Role: Agent, Region: "us", Key: key(2).Public(), Address: "[::1]:7946", Credentials: "second"},
			{Name: "a3", Role: Agent, Region: "eu", Key: key(3).Public(), Address: "10.0.0.3:7946"},
			{Name: "c1", Role: Coordinator, Region: "ap", Key: key(4).Public(), Address: "c1:7946"},
		},
	}
}

// TestValidate reads pages of faults: a roster as YAML, ----, what is said of it.
func TestValidate(t *testing.T) {
	if err := good().Validate(); err != nil {
		t.Errorf("a good roster: %v", err)
	}
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no test pages", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		in, want, _ := strings.Cut(string(b), "----\n")
		var r Roster
		if err := yaml.UnmarshalWithOptions([]byte(in), &r, yaml.Strict()); err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		got := "ok"
		if err := r.Validate(); err != nil {
			got = err.Error()
		}
		if got+"\n" != want {
			if os.Getenv("REWRITE") != "" {
				if err := os.WriteFile(f, []byte(in+"----\n"+got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				continue
			}
			t.Errorf("%s:\n%s\nwant\n%s", f, got, want)
		}
	}
}

// TestHash: what the nodes must agree on changes it, and only that: a default
// that is written out does not.
func TestHash(t *testing.T) {
	base := good().Hash()
	same := map[string]func(*Roster){
		"nothing":                          func(r *Roster) {},
		"a default timing":                 func(r *Roster) { r.Timing.Fresh = 20 * time.Second },
		"all default timings":              func(r *Roster) { r.Timing = DefaultTiming() },
		"the default combine":              func(r *Roster) { r.Services[0].Combine = Any },
		"the default domain":               func(r *Roster) { r.Regions[1].Domain = "us" },
		"the default regions":              func(r *Roster) { r.Services[0].Regions = []string{"ap", "eu", "us"} },
		"the order of a service's regions": func(r *Roster) { r.Services[1].Regions = []string{"eu", "us"} },
	}
	for name, change := range same {
		r := good()
		change(r)
		before, _ := json.Marshal(r)
		if r.Hash() != base {
			t.Errorf("%s changes the hash", name)
		}
		if after, _ := json.Marshal(r); string(after) != string(before) {
			t.Errorf("%s: Hash changed the roster", name)
		}
	}
	other := map[string]func(*Roster){
		"cluster":     func(r *Roster) { r.Cluster = "b" },
		"version":     func(r *Roster) { r.Version++ },
		"domain":      func(r *Roster) { r.Regions[1].Domain = "aws" },
		"region":      func(r *Roster) { r.Regions = r.Regions[:2] },
		"combine":     func(r *Roster) { r.Services[0].Combine = All },
		"voters":      func(r *Roster) { r.Services[1].Regions = []string{"us"} },
		"node order":  func(r *Roster) { r.Nodes[0], r.Nodes[1] = r.Nodes[1], r.Nodes[0] },
		"key":         func(r *Roster) { r.Nodes[0].Key = key(9).Public() },
		"role":        func(r *Roster) { r.Nodes[0].Role = Coordinator },
		"credentials": func(r *Roster) { r.Nodes[0].Credentials = "x" },
		"timing":      func(r *Roster) { r.Timing.CloseHold = time.Hour },
	}
	for name, change := range other {
		r := good()
		change(r)
		if r.Hash() == base {
			t.Errorf("%s does not change the hash", name)
		}
	}
}

func TestVotersAndAgents(t *testing.T) {
	r := good()
	names := func(list any) string { return fmt.Sprint(list) }
	if got := names(r.Voters("mail")); got != "[{eu aws} {us } {ap }]" {
		t.Error(got)
	}
	if got := names(r.Voters("eu-only")); got != "[{eu aws} {us }]" {
		t.Errorf("roster order, not the service's: %s", got)
	}
	if r.Voters("none") != nil {
		t.Error("voters of no service")
	}
	if a := r.Agents("eu"); len(a) != 2 || a[0].Name != "a1" || a[1].Name != "a3" || r.Agents("ap") != nil {
		t.Errorf("agents of eu: %v, of ap: %v", a, r.Agents("ap"))
	}
	if c := r.Coordinators(); len(c) != 1 || c[0].Name != "c1" {
		t.Error(c)
	}
	if r.NodeIndex("a2") != 1 || r.NodeIndex("none") != -1 || r.ServiceIndex("eu-only") != 1 || r.ServiceIndex("none") != -1 {
		t.Error("places")
	}
	if g := r.Regions; g[0].FailureDomain() != "aws" || g[1].FailureDomain() != "us" {
		t.Error("failure domains")
	}
}

// TestQuorum: two quorums always share a region, and a tie is none.
func TestQuorum(t *testing.T) {
	for n := 1; n < 100; n++ {
		if q := Quorum(n); 2*q <= n || 2*(q-1) > n || q > n {
			t.Errorf("quorum of %d: %d", n, q)
		}
	}
}

func TestKeys(t *testing.T) {
	k := GenerateKey()
	back, err := ParsePrivateKey(k.Encode())
	if err != nil || back.Public().String() != k.Public().String() {
		t.Fatal("a key file does not read back", err)
	}
	var pub PublicKey
	text, _ := k.Public().MarshalText()
	if err := pub.UnmarshalText(text); err != nil || pub.String() != string(text) || len(text) != len("mqpub:")+43 {
		t.Errorf("%s: %v", text, err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		s := fmt.Sprintf(verb, k)
		if s != "<secret>" {
			t.Errorf("a private key prints as %s", s)
		}
	}
	marker := "mqkey:c2VjcmV0LW1hcmtlcg"
	if _, err := ParsePrivateKey([]byte(marker)); err == nil || strings.Contains(err.Error(), "c2VjcmV0") {
		t.Errorf("a bad key: %v", err)
	}
	for _, bad := range []string{"", "mqpub:", "mqkey:" + string(text[6:]), string(text) + "A", string(text[:40])} {
		if err := pub.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is a public key", bad)
		}
	}
}

func TestTiming(t *testing.T) {
	def := DefaultTiming()
	for i, f := range def.fields() {
		if *f <= 0 {
			t.Errorf("field %d has no default", i)
		}
	}
	if def != (Timing{}).WithDefaults() {
		t.Error("a zero timing is not the default one")
	}
	rapid.Check(t, func(t *rapid.T) {
		var a Timing
		for _, f := range a.fields() {
			*f = time.Duration(rapid.IntRange(0, 1000).Draw(t, "ns"))
		}
		b := a.WithDefaults()
		for i, f := range a.fields() {
			if g := *b.fields()[i]; *f != 0 && g != *f || *f == 0 && g != *def.fields()[i] {
				t.Fatalf("field %d: %v became %v", i, *f, g)
			}
		}
		if b.WithDefaults() != b {
			t.Fatal("not idempotent")
		}
	})
	if s := def.Scaled(0.05); s.Interval != 3*time.Second || s.Reopen != 3*time.Minute || def.Interval != time.Minute {
		t.Error(s)
	}
}

func TestNames(t *testing.T) {
	for s, want := range map[string]bool{"a": true, "eu-west.1": true, "0": true, strings.Repeat("a", 32): true, "": false, "-a": false,
		"a-": false, "A": false, "a b": false, "a/b": false, "ä": false, strings.Repeat("a", 33): false, "a\n": false} {
		if ValidName(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}
