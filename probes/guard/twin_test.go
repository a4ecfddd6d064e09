package guard

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// twin is the line check written down plainly, over the whole stream at once and
// without limits of length.
func twin(s string) error {
	for s != "" {
		rest, err := twinResponse(s)
		if err != nil {
			return err
		}
		s = rest
	}
	return nil
}

// twinResponse checks the first response in s and returns what follows it.
func twinResponse(s string) (rest string, err error) {
	line, rest, whole := strings.Cut(s, "\n")
	length := len(line)
	if strings.HasPrefix(line, "+") {
		return rest, nil
	}
	tag := atom(line)
	if strings.HasPrefix(line, "*") {
		tag = "*"
	}
	line = strings.TrimPrefix(line, tag)
	if !whole && line == "" {
		return "", nil
	}
	line, ok := strings.CutPrefix(line, " ")
	if !ok || tag == "" {
		return "", ErrResponse
	}
	for {
		typ := atom(line)
		after := line[len(typ):]
		name := strings.ToUpper(typ)
		switch {
		case strings.IndexFunc(typ+after[:min(1, len(after))], func(r rune) bool { return r >= 0x80 }) >= 0:
			return "", ErrResponse
		case !whole && after == "":
			return "", nil
		case typ == "":
			return "", ErrResponse
		case tag != "*" || slices.Contains([]string{"OK", "NO", "BAD", "BYE", "PREAUTH"}, name):
			return rest, twinStatus(after, whole)
		case name == "CAPABILITY" || name == "ENABLED":
			if strings.Contains(after, "(") {
				return "", ErrResponse
			}
			return rest, nil
		case strings.Contains("0123456789", typ[:1]) && strings.HasPrefix(after, " "):
			line = after[1:]
			continue
		}
		return twinData(s[length-len(after):])
	}
}

func twinStatus(after string, whole bool) error {
	code, ok := strings.CutPrefix(after, " [")
	if !ok {
		return nil
	}
	inside, _, ends := strings.Cut(code, "]")
	loop := strings.ToUpper(atom(code)) == "CAPABILITY" && !strings.ContainsRune(atom(code), 'ı')
	if loop && strings.Contains(inside, "(") || whole && !ends {
		return ErrResponse
	}
	return nil
}

func twinData(s string) (rest string, err error) {
	for {
		i := strings.IndexAny(s, "\"{\n")
		if i < 0 {
			return "", nil
		}
		mark := s[i]
		s = s[i+1:]
		switch mark {
		case '\n':
			return s, nil
		case '"':
			s, err = twinQuoted(s)
		case '{':
			s, err = twinLiteral(s)
		}
		if err != nil || s == "" {
			return "", err
		}
	}
}

func twinQuoted(s string) (rest string, err error) {
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		switch {
		case i == len(s):
		case s[i] == '\r' || s[i] == '\n':
			return "", ErrResponse
		case s[i] == '"' && (i == 0 || !escaped(s[:i])):
			return s[i+1:], nil
		}
	}
	return "", nil
}

// escaped reports whether what follows s is behind a backslash that counts.
func escaped(s string) bool {
	return (len(s)-len(strings.TrimRight(s, `\`)))%2 == 1
}

func twinLiteral(s string) (rest string, err error) {
	digits := s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
	size := 0
	for _, c := range digits {
		if size = size*10 + int(c-'0'); size > MaxLiteral {
			return "", ErrLiteral
		}
	}
	s = s[len(digits):]
	if s == "" {
		return "", nil
	}
	s, ok := strings.CutPrefix(s, "}")
	if !ok || digits == "" {
		return "", ErrResponse
	}
	for _, end := range []string{"\n", "\r\n", " \n", " \r\n"} {
		if body, ok := strings.CutPrefix(s, end); ok {
			return body[min(size, len(body)):], nil
		}
		if strings.HasPrefix(end, s) {
			return "", nil
		}
	}
	return "", ErrResponse
}

// atom is the longest beginning of s that go-imap takes for an atom.
func atom(s string) string {
	for i := range len(s) {
		if strings.IndexByte("(){ %*\"\\]", s[i]) >= 0 || s[i] < 0x20 || s[i] >= 0x7f && s[i] < 0xa0 {
			return s[:i]
		}
	}
	return s
}

func TestTwin(t *testing.T) {
	for _, s := range honest {
		if err := twin(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for s, want := range hostile {
		if got := twin(s); got != want && want != ErrLine {
			t.Errorf("%.80q: %v, want %v", s, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOf(words).Draw(t, "words"), "")
		if got, want := verdict(s, 3), twin(s); got != want {
			t.Fatalf("%q: %v, the twin says %v", s, got, want)
		}
	})
}

// FuzzLines compares the line check with its twin.
func FuzzLines(f *testing.F) {
	for _, s := range honest {
		f.Add(s)
	}
	for s := range hostile {
		if len(s) < 1000 {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > MaxLine {
			return
		}
		if got, want := verdict(s, 3), twin(s); got != want {
			t.Errorf("%q: %v, the twin says %v", s, got, want)
		}
	})
}
