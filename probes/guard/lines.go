package guard

import "bytes"

// lines follows what an IMAP server sends (RFC 9051 section 9) byte by byte, as
// far as is needed to know where responses and literals begin and end. Where
// go-imap's decoder would give up anyway it need not be exact, and where the two
// might disagree it rejects.
type lines struct {
	state   state
	tagged  bool
	word    [12]byte // the present word in upper case, its first bytes
	wordLen int
	length  int   // of this response so far, without literals
	literal int64 // size announced
	left    int64 // of the literal
}

type state uint8

const (
	inTag     state = iota // "*", "+" or a tag; the start of a response
	inType                 // OK, CAPABILITY, FETCH, ..., or a number before it
	afterType              // of a status response: one space, then perhaps a "["
	textStart              //
	inCode                 // the name of a response code
	inCodeArg              // its arguments, up to the "]"
	codeCaps               // the same of CAPABILITY
	inCaps                 // * CAPABILITY, * ENABLED
	inText                 // human-readable text
	inData                 // structured data
	inQuoted               // a quoted string in it
	inEscape               // after a backslash in that
	inSize                 // the number in a literal's braces
	sizeEnd                // after the closing brace: go-imap lets a space pass
	sizeCR                 //
	sizeLF                 //
	inLiteral              //
)

const (
	cr = '\r'
	lf = '\n'
)

// scan looks at the next bytes; it returns why they must not be passed on.
func (l *lines) scan(b []byte) *Error {
	for i := 0; i < len(b); i++ {
		switch l.state {
		case inLiteral:
			n := min(l.left, int64(len(b)-i))
			if l.left -= n; l.left == 0 {
				l.state = inData
			}
			i += int(n) - 1
			continue
		case inText: // most of what is long
			end := bytes.IndexByte(b[i:], lf)
			if end < 0 {
				end = len(b) - i - 1
			}
			l.length += end
			i += end
		}
		if l.length++; l.length > MaxLine {
			return &Error{Kind: ErrLine}
		}
		if e := l.next(b[i]); e != nil {
			return e
		}
	}
	return nil
}

// next takes one byte outside of literals.
func (l *lines) next(c byte) *Error {
	switch l.state {
	case inTag:
		return l.tag(c)
	case inType:
		return l.typ(c)
	case afterType, textStart, inCode, inCodeArg, codeCaps:
		return l.status(c)
	case inCaps:
		if c == '(' {
			return malformed("parenthesis in a capability list")
		}
		l.endAt(c)
	case inText:
		l.endAt(c)
	case inData, inQuoted, inEscape:
		return l.data(c)
	default:
		return l.size(c)
	}
	return nil
}

// held is how many of the bytes seen last are those of a literal that is not
// complete, together with the line feed before it, without which nobody takes it
// for a literal.
func (l *lines) held() int {
	if l.state != inLiteral {
		return 0
	}
	return int(l.literal-l.left) + 1
}

func malformed(detail string) *Error { return &Error{Kind: ErrResponse, Detail: detail} }

// endAt begins a new response after a line feed, which is where go-imap's ends.
func (l *lines) endAt(c byte) {
	if c == lf {
		*l = lines{}
	}
}

// tag reads the first word of a response.
func (l *lines) tag(c byte) *Error {
	switch {
	case l.wordLen == 0 && c == '+':
		l.state = inText
	case l.wordLen == 0 && c == '*':
		l.add(c)
	case c == ' ' && l.wordLen > 0:
		l.tagged = l.word[0] != '*'
		l.wordLen, l.state = 0, inType
	case atomChar(c) && (l.wordLen == 0 || l.word[0] != '*'):
		l.add(c)
	default:
		return malformed("no tag")
	}
	return nil
}

// typ reads the response's type, after a number where there is one.
func (l *lines) typ(c byte) *Error {
	if c >= 0x80 {
		return malformed("type not in ASCII") // go-imap upper-cases a dotless i to I
	}
	if atomChar(c) {
		l.add(c)
		return nil
	}
	if l.wordLen == 0 {
		return malformed("no type")
	}
	switch {
	case l.tagged:
		l.state = afterType
	case l.is("OK", "NO", "BAD", "BYE", "PREAUTH"):
		l.state = afterType
	case l.is("CAPABILITY", "ENABLED"):
		l.state = inCaps
	case l.word[0] >= '0' && l.word[0] <= '9' && c == ' ':
		l.wordLen = 0
		return nil
	default:
		l.state = inData
	}
	return l.next(c)
}

// status reads what follows the type of a status response: text, perhaps with a
// response code before it. Nothing in it is a literal.
func (l *lines) status(c byte) *Error {
	switch l.state {
	case afterType:
		l.state = inText
		if c == ' ' {
			l.state = textStart
		}
	case textStart:
		l.state = inText
		if c == '[' {
			l.wordLen, l.state = 0, inCode
		}
	case inCode:
		if atomChar(c) {
			l.add(c)
			return nil
		}
		l.state = inCodeArg
		if l.is("CAPABILITY") {
			l.state = codeCaps
		}
		return l.status(c)
	case codeCaps, inCodeArg:
		switch {
		case c == '(' && l.state == codeCaps:
			return malformed("parenthesis in a capability list")
		case c == ']':
			l.state = inText
		case c == lf:
			return malformed("response code without end") // go-imap reads on in the next line
		}
		return nil
	}
	l.endAt(c)
	return nil
}

// data reads structured data, in which there are quoted strings and literals.
func (l *lines) data(c byte) *Error {
	switch {
	case l.state == inEscape:
		l.state = inQuoted
		if c == cr || c == lf {
			return malformed("line break in a quoted string")
		}
	case l.state == inQuoted:
		switch c {
		case '"':
			l.state = inData
		case '\\':
			l.state = inEscape
		case cr, lf: // go-imap reads on in the next line
			return malformed("line break in a quoted string")
		}
	case c == '"':
		l.state = inQuoted
	case c == '{':
		l.literal, l.state, l.wordLen = 0, inSize, 0
	default:
		l.endAt(c)
	}
	return nil
}

// size reads the announcement of a literal from after its opening brace.
func (l *lines) size(c byte) *Error {
	switch {
	case l.state == inSize && c >= '0' && c <= '9':
		l.wordLen = 1
		if l.literal = l.literal*10 + int64(c-'0'); l.literal > MaxLiteral {
			return &Error{Kind: ErrLiteral}
		}
	case l.state == inSize && c == '}' && l.wordLen > 0:
		l.state = sizeEnd
	case l.state == sizeEnd && c == ' ':
		l.state = sizeCR
	case (l.state == sizeEnd || l.state == sizeCR) && c == cr:
		l.state = sizeLF
	case l.state >= sizeEnd && c == lf:
		l.left, l.state = l.literal, inLiteral
		if l.literal == 0 {
			l.state = inData
		}
	default:
		return malformed("brace that begins no literal")
	}
	return nil
}

// add appends to the present word; of a long one the first bytes are kept.
func (l *lines) add(c byte) {
	if c >= 'a' && c <= 'z' {
		c -= 'a' - 'A'
	}
	if l.wordLen < len(l.word) {
		l.word[l.wordLen] = c
	}
	l.wordLen++
}

// is compares the present word.
func (l *lines) is(names ...string) bool {
	for _, n := range names {
		if l.wordLen == len(n) && string(l.word[:min(l.wordLen, len(l.word))]) == n {
			return true
		}
	}
	return false
}

// atomChar is go-imap's idea of an atom's characters (imapwire.IsAtomChar), not
// that of RFC 9051: it takes what is above 0x9f.
func atomChar(c byte) bool {
	switch c {
	case '(', ')', '{', ' ', '%', '*', '"', '\\', ']':
		return false
	}
	return c >= 0x20 && c != 0x7f && (c < 0x80 || c > 0x9f)
}
