package probes

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestIDReadsWhatItWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := ID(rapid.SliceOfN(rapid.Byte(), IDSize, IDSize).Draw(t, "id"))
		for _, s := range []string{id.String(), strings.ToUpper(id.String())} {
			if got, err := ParseID(s); err != nil || got != id {
				t.Fatalf("%q: %v, %v", s, got, err)
			}
		}
		var c, back Canary
		c.ID = id
		b, err := json.Marshal(c)
		if err == nil {
			err = json.Unmarshal(b, &back)
		}
		if err != nil || back.ID != id {
			t.Fatalf("through JSON: %v, %v", back.ID, err)
		}
	})
	for _, s := range []string{"", "x", strings.Repeat("0", 25), strings.Repeat("0", 27), strings.Repeat("z", 26), strings.Repeat("0", 25) + "\n", "é" + strings.Repeat("0", 24)} {
		if _, err := ParseID(s); err == nil {
			t.Errorf("%q is no id, and was read", s)
		} else if strings.ContainsAny(err.Error(), "\n\r") {
			t.Errorf("error on two lines: %q", err)
		}
	}
}

func TestIDsDiffer(t *testing.T) {
	seen := map[ID]bool{}
	for range 1000 {
		seen[NewID()] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d of 1000 differ", len(seen))
	}
}

// The wire format, computed apart (HMAC-SHA256, base32hex): changing it loses the canaries in flight over an upgrade.
func TestTagAsWritten(t *testing.T) {
	const want = "mq1-041061050o3gg28a1c60q3gf20-8r6k7t0r4lfm80acoj4l8cf9f4"
	id := ID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	k := NewKey([]byte("0123456789abcdef0123456789abcdef"))
	if got := k.Tag(id); got != want {
		t.Errorf("got %s", got)
	}
	if len(want) != tagLen || tagLen != 57 {
		t.Errorf("a tag has %d characters", tagLen)
	}
}

func TestOnlyItsOwnKeyKnowsATag(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.SliceOfN(rapid.Byte(), 32, 32)
		id := ID(rapid.SliceOfN(rapid.Byte(), IDSize, IDSize).Draw(t, "id"))
		ours, theirs := seed.Draw(t, "ours"), seed.Draw(t, "theirs")
		tag := NewKey(ours).Tag(id)
		if got, ok := NewKey(ours).Verify(strings.ToUpper(tag)); !ok || got != id {
			t.Fatalf("our own tag %s is foreign", tag)
		}
		if _, ok := NewKey(theirs).Verify(tag); ok && string(ours) != string(theirs) {
			t.Fatalf("the tag %s of another key is ours", tag)
		}
	})
}

// Any changed character of a tag makes it foreign: there is no second spelling,
// not even by base32's spare bits.
func TestAnyChangedCharacterIsForeign(t *testing.T) {
	tag := testKey.Tag(ID{42})
	for i := range len(tag) {
		for c := range 256 {
			changed := tag[:i] + string([]byte{byte(c)}) + tag[i+1:]
			if _, ok := testKey.Verify(changed); ok != strings.EqualFold(changed, tag) {
				t.Fatalf("%q: verified %v", changed, ok)
			}
		}
	}
	for _, s := range []string{"", tag + "0", tag[1:], " " + tag, tag[:len(tag)-1]} {
		if _, ok := testKey.Verify(s); ok {
			t.Errorf("%q is ours", s)
		}
	}
}

// Bug 6 of other probers: a mail recognised by the first eight digits of a UUID,
// or by a number up to 1000.
func TestBug6PartOfATagIsNoTag(t *testing.T) {
	id := NewID()
	tag := testKey.Tag(id)
	for _, text := range []string{id.String(), id.String()[:8], tag[:40], strings.Replace(tag, "-", "", 2)} {
		if got := FindTags(text, 8); got != nil {
			t.Errorf("%q: found %v", text, got)
		}
	}
}

func TestFindTags(t *testing.T) {
	a, b := testKey.Tag(ID{1}), testKey.Tag(ID{2})
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"in an address":        {"<canary+" + a + "@eu.example>", []string{a}},
		"two":                  {a + " " + b + " " + a, []string{a, b}},
		"side by side":         {a + b, []string{a, b}},
		"in capitals":          {"<" + strings.ToUpper(a) + "@d>", []string{a}},
		"behind a false start": {"mq1-mq1-" + a, []string{a}},
		"cut":                  {a[:len(a)-1], nil},
		"nothing":              {"", nil},
		"foreign letters":      {strings.Replace(a, a[10:11], "é", 1), nil},
	} {
		if got := FindTags(c.text, 8); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	if got := FindTags(a+" "+b, 1); len(got) != 1 {
		t.Errorf("at most one: %v", got)
	}
}

func TestTheKeyPrintsNothing(t *testing.T) {
	k := NewKey([]byte("a seed that must stay here"))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if s := fmt.Sprintf(verb, k); !strings.Contains(s, "secret>") || len(s) > 20 {
			t.Errorf("%s prints %s", verb, s)
		}
	}
}

func FuzzFindTags(f *testing.F) {
	f.Add("mq1-", 3)
	f.Add(testKey.Tag(ID{1})+"mq1-"+testKey.Tag(ID{2}), 8)
	f.Add(strings.Repeat("mq1-", 100), 8)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = max(0, min(limit, 20))
		tags := FindTags(text, limit)
		if len(tags) > limit {
			t.Fatalf("%d tags of at most %d", len(tags), limit)
		}
		for _, tag := range tags {
			if !tagAlone(tag) || !strings.Contains(strings.ToLower(text), tag) {
				t.Fatalf("%q is no tag of the text", tag)
			}
			if _, ok := testKey.Verify(tag); ok && !strings.Contains(strings.ToLower(text), testKey.Tag(ID{1})) && !strings.Contains(strings.ToLower(text), testKey.Tag(ID{2})) {
				t.Fatalf("%q was forged", tag)
			}
		}
	})
}

func FuzzVerify(f *testing.F) {
	id := ID{3}
	f.Add(testKey.Tag(id))
	f.Add(strings.ToUpper(testKey.Tag(id)))
	f.Fuzz(func(t *testing.T, tag string) {
		got, ok := testKey.Verify(tag)
		if ok && testKey.Tag(got) != strings.ToLower(tag) {
			t.Fatalf("%q verified as %v", tag, got)
		}
	})
}
