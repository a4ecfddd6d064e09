package guard

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// verdict runs the line check over s in pieces of the given size.
func verdict(s string, piece int) error {
	var l lines
	for len(s) > 0 {
		n := min(piece, len(s))
		if e := l.scan([]byte(s[:n])); e != nil {
			return e.Kind
		}
		s = s[n:]
	}
	return nil
}

var honest = []string{
	"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready (really) {5}\r\n",
	"* OK\r\n* PREAUTH hello\r\n* BYE so \"long\r\n",
	"* CAPABILITY IMAP4rev1 LITERAL+ ID\r\nT1 OK done\r\n",
	"* ENABLED CONDSTORE\r\n",
	"+ idling\r\n+ \r\n+\r\n",
	"* 18 EXISTS\r\n* 2 RECENT\r\n* OK still here\r\n",
	"* FLAGS (\\Answered \\Flagged $Label1 NonJunk)\r\n* OK [PERMANENTFLAGS (\\Deleted \\*)] Limited\r\n",
	"* LIST (\\HasNoChildren \\Junk) \"/\" \"a \\\"quoted\\\" {7} name\"\r\n",
	"* LIST () NIL {11}\r\nfoo CAPAB (x\r\n",
	"* 1 FETCH (UID 5 BODY[HEADER] {29}\r\n* OK [CAPABILITY(\"{99}\r\nxyz\r\n)\r\nT2 OK done\r\n",
	"* 1 FETCH (BODY[] {0}\r\n BODY[TEXT] \"\")\r\n",
	"* 1 FETCH (BINARY[1] ~{3}\r\n\"({)\r\n",
	"T1 NO [UNAVAILABLE] Mail (database) \"down\r\n",
	"T1 OK [READ-WRITE] {1000}\r\n* 1 EXISTS\r\n",
	"T1 OK [APPENDUID 1 2] done\n* 1 EXISTS\n",
	"* OK [REFERRAL imap://a(b)/] x\r\n",
	"* STATUS \"INBOX\" (MESSAGES 4 UIDNEXT 5)\r\n",
	"* SEARCH 2 3 6 (MODSEQ 917)\r\n",
}

var hostile = map[string]error{
	// the loop, in all the places that end in go-imap's readCapabilities
	"* OK [CAPABILITY(":              ErrResponse,
	"* OK [CAPABILITY (":             ErrResponse,
	"* OK [CAPABILITY IMAP4rev1(":    ErrResponse,
	"* OK [CAPABILITY IMAP4rev1 (":   ErrResponse,
	"* 7 OK [CAPABILITY(":            ErrResponse,
	"* preauth [CAPABILITY(":         ErrResponse,
	"T1 OK [CAPABILITY(":             ErrResponse,
	"T1 FOO [CAPABILITY(":            ErrResponse,
	"* CAPABILITY(":                  ErrResponse,
	"* capability  (":                ErrResponse,
	"* 3 CAPABILITY A (":             ErrResponse,
	"* ENABLED(":                     ErrResponse,
	"* CAPAB\u0131LITY(":             ErrResponse,
	"* 1 EXISTS\n* OK [CAPABILITY (": ErrResponse,
	// tries to make the check take lines for a literal
	"* OK {30}\r\n* OK [CAPABILITY(":                    ErrResponse,
	"T1 OK {30}\r\n* OK [CAPABILITY(":                   ErrResponse,
	"+ {30}\r\n* OK [CAPABILITY(":                       ErrResponse,
	"* 1 FETCH (BODY[] {5}\r\n12345)\r\n* CAPABILITY(":  ErrResponse,
	"* 1 FETCH (BODY[] {5} \n12345)\r\n* CAPABILITY(":   ErrResponse,
	"* 1 FETCH (BODY[] {0}\r\n)\r\n* CAPABILITY(":       ErrResponse,
	"* 1 FETCH (BODY[] {05+}\r\n":                       ErrResponse,
	"* 1 FETCH (BODY[] {}\r\n":                          ErrResponse,
	"* 1 FETCH (BODY[] {5}x":                            ErrResponse,
	"* 1 FETCH (BODY[] {-5}":                            ErrResponse,
	"* OK [FOO bar\r\n* 1 FETCH (BODY[] {30}\r\n":       ErrResponse,
	"* LIST () \"/\" \"a\r\n* 1 FETCH (BODY[] {30}\r\n": ErrResponse,
	"* LIST () \"/\" \"a\\\n* 1 FETCH (BODY[] {30}\r\n": ErrResponse,
	"\r\n":                          ErrResponse,
	"*\r\n":                         ErrResponse,
	"* \r\n":                        ErrResponse,
	"*(":                            ErrResponse,
	"* 1 FETCH (BODY[] {1048577}":   ErrLiteral,
	"* LIST () \"/\" {99999999999}": ErrLiteral,
	"* 1 FETCH (BODY[] {99999999999999999999999999999}":                   ErrLiteral,
	"* OK " + strings.Repeat("A", MaxLine):                                ErrLine,
	"* 1 FETCH (" + strings.Repeat("BODY[] {1}\r\nx ", MaxLine/13+1):      ErrLine,
	strings.Repeat("A", MaxLine+1):                                        ErrLine,
	"* LIST " + strings.Repeat("(", MaxLine):                              ErrLine,
	fmt.Sprintf("* 1 FETCH (BODY[] {%d}\r\n%*s(", MaxLine, MaxLine, "*"):  nil,
	fmt.Sprintf("* OK %s\r\n* OK x\r\n", strings.Repeat("A", MaxLine-10)): nil,
}

func TestLines(t *testing.T) {
	for _, piece := range []int{1, 2, 7, 1 << 20} {
		for _, s := range honest {
			if err := verdict(s, piece); err != nil {
				t.Errorf("in pieces of %d: %q: %v", piece, s, err)
			}
			if err := verdict(s+"* OK [CAPABILITY(", piece); !errors.Is(err, ErrResponse) {
				t.Errorf("in pieces of %d: after %q the check is lost: %v", piece, s, err)
			}
		}
		for s, want := range hostile {
			if err := verdict(s, piece); !errors.Is(err, want) {
				t.Errorf("in pieces of %d: %.80q: got %v, want %v", piece, s, err, want)
			}
		}
	}
}

// words are what responses are made of, good and bad.
var words = rapid.SampledFrom([]string{"* ", "T1 ", "+", "OK ", "1 ", "FETCH (", "[", "CAPABILITY", "ENABLED", "(", ")", "\"", "\\",
	"{3}", "{0}", " ", "\r\n", "\n", "\r", "]", "abc", "LIST ", "\xc4\xb1", "BODY[] ", "{99}", "5", "}", "9999999"})

// TestLinesPieces: how the network cuts the stream makes no difference.
func TestLinesPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOf(words).Draw(t, "words"), "")
		want := verdict(s, len(s)+1)
		if got := verdict(s, rapid.IntRange(1, 5).Draw(t, "piece")); got != want {
			t.Fatalf("%q: %v in pieces, %v at once", s, got, want)
		}
	})
}

func BenchmarkLines(b *testing.B) {
	in := []byte(strings.Repeat(honest[9], 100))
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		var l lines
		if e := l.scan(in); e != nil {
			b.Fatal(e)
		}
	}
}
