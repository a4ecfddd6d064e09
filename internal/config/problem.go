package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Problem is one fault of a file, or a warning about it, at its position.
type Problem struct {
	File    string
	Line    int // from 1; 0: the file as a whole
	Column  int // from 1, in characters
	Text    string
	Warning bool
	excerpt string // the source line, without secrets
	caret   int    // where the column is in it, from 1
}

// Error is the problem on several lines: position and text, the source line,
// and a caret below the column.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(p.Text)
	if p.Line > 0 {
		fmt.Fprintf(&b, "\n%6d | %s\n       | %s^", p.Line, p.excerpt, strings.Repeat(" ", max(0, p.caret-1)))
	}
	return b.String()
}

// Problems are all faults of a configuration, in the order of its files' lines.
type Problems []Problem

// maxShown bounds the problems in one error text.
const maxShown = 50

// Error is one problem after the other; of more than 50, the first 50.
func (ps Problems) Error() string {
	var parts []string
	for i, p := range ps {
		if i == maxShown {
			parts = append(parts, fmt.Sprintf("and %d more", len(ps)-i))
			break
		}
		parts = append(parts, p.Error())
	}
	return strings.Join(parts, "\n")
}

// maxExcerpt bounds, in characters, the source line that is shown.
const maxExcerpt = 160

// secretField finds what might be a secret written into a line: the name of
// such a field, and a value that is neither a reference nor a public key.
var secretField = regexp.MustCompile(`(?i)(?:pass\w*|pwd|secret\w*|token\w*|\w*key)["']?[ \t]*[:= ][ \t]*["']?(\S.*)$`)

var publicValue = regexp.MustCompile(`^(file:|credential:|env:|mqpub:)`)

// excerptOf makes a source line fit to be shown: printable, secrets hidden, and
// of a long one only what is around the column. It returns where the column is
// in it.
func excerptOf(line string, column int) (string, int) {
	r := []rune(hideSecrets(line))
	column = min(column, len(r)+1)
	if len(r) <= maxExcerpt {
		return string(r), column
	}
	from := max(0, column-maxExcerpt/2)
	part := string(r[from:min(len(r), from+maxExcerpt)])
	if from > 0 {
		return "..." + part, column - from + 3
	}
	return part + "...", column
}

// hideSecrets makes a line printable and cuts it off at what may be a secret.
func hideSecrets(line string) string {
	line = strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, line)
	for at := 0; at < len(line); {
		m := secretField.FindStringSubmatchIndex(line[at:])
		if m == nil {
			break
		}
		value := at + m[2]
		if !publicValue.MatchString(line[value:]) {
			return line[:value] + "<hidden>"
		}
		at = value
	}
	return strings.TrimRight(line, " ")
}

// clip shortens s to n characters, and says so with "...".
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "..."
	}
	return s
}

// quote is a value of the file, as it is put into a message.
func quote(s string) string { return fmt.Sprintf("%q", clip(s, 80)) }

// nearest is the candidate that s was probably meant to be, or "".
func nearest(s string, candidates []string) string {
	best, found := 1+min(2, len(s)/3), ""
	for _, c := range candidates {
		if d := distance(s, c); d < best {
			best, found = d, c
		}
	}
	return found
}

// distance is the Levenshtein distance of two short strings, in bytes; long
// ones are far from everything.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
