package tap

import (
	"bytes"
	"strconv"
)

// cut splits b behind its first line, without the line feed.
func cut(b []byte) (line, rest []byte, ended bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return b, nil, false
	}
	return b[:i], b[i+1:], true
}

// literal returns the size of the literal that an IMAP line announces at its end
// ("{12}", "{12+}"; RFC 9051 section 4.3), or 0.
func literal(line []byte) int64 {
	if !bytes.HasSuffix(line, []byte("}")) {
		return 0
	}
	i := bytes.LastIndexByte(line, '{')
	if i < 0 {
		return 0
	}
	n, err := strconv.ParseInt(string(bytes.TrimSuffix(line[i+1:len(line)-1], []byte("+"))), 10, 63)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
