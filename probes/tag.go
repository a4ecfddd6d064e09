package probes

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
)

// tagPrefix opens every tag; it names the format's version.
const tagPrefix = "mq1"

const (
	macSize = 16                 // bytes, 128 bits
	idChars = (IDSize*8 + 4) / 5 // 26
	tagLen  = len(tagPrefix) + 2*(1+idChars)
)

// Key authenticates the tags of one agent. It never leaves the agent, and
// prints as nothing.
type Key struct{ secret [sha256.Size]byte }

// NewKey derives the tag key from the agent's private seed.
func NewKey(seed []byte) Key {
	m := hmac.New(sha256.New, seed)
	m.Write([]byte("mailquorum canary tag v1"))
	var k Key
	m.Sum(k.secret[:0])
	return k
}

// String hides the key.
func (Key) String() string { return "<secret>" }

// GoString hides the key.
func (Key) GoString() string { return "<secret>" }

// Tag returns the canary's tag: "mq1-<id>-<mac>", 57 lower-case characters that
// are legal in an address's local part, a Message-ID and a header.
func (k Key) Tag(id ID) string {
	return tagPrefix + "-" + id.String() + "-" + tagEncoding.EncodeToString(k.mac(id))
}

func (k Key) mac(id ID) []byte {
	m := hmac.New(sha256.New, k.secret[:])
	m.Write([]byte(tagPrefix))
	m.Write(id[:])
	return m.Sum(nil)[:macSize]
}

// Verify reads a tag in either case and says whether this key made it. The
// comparison takes constant time.
func (k Key) Verify(tag string) (ID, bool) {
	if len(tag) != tagLen {
		return ID{}, false
	}
	tag = strings.ToLower(tag)
	if tag[:len(tagPrefix)+1] != tagPrefix+"-" || tag[len(tagPrefix)+1+idChars] != '-' {
		return ID{}, false
	}
	id, err := ParseID(tag[len(tagPrefix)+1:][:idChars])
	if err != nil {
		return ID{}, false
	}
	mac, err := tagEncoding.DecodeString(tag[len(tag)-idChars:])
	if err != nil || !hmac.Equal(mac, k.mac(id)) {
		return ID{}, false
	}
	// base32 has spare bits in its last character: accept one spelling only.
	return id, k.Tag(id) == tag
}

// FindTags returns the distinct strings in text that have the form of a tag, of
// whoever made them, in order of appearance and at most max.
func FindTags(text string, max int) []string {
	var found []string
	low := strings.ToLower(text)
	for i := 0; len(found) < max; {
		j := strings.Index(low[i:], tagPrefix+"-")
		if j < 0 {
			break
		}
		i += j
		if i+tagLen > len(low) {
			break
		}
		cand := low[i : i+tagLen]
		if !tagShaped(cand) {
			i++
			continue
		}
		if !contains(found, cand) {
			found = append(found, cand)
		}
		i += tagLen
	}
	return found
}

func tagShaped(s string) bool {
	for i := len(tagPrefix) + 1; i < len(s); i++ {
		c := s[i]
		if i == len(tagPrefix)+1+idChars {
			if c != '-' {
				return false
			}
			continue
		}
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'v') {
			return false
		}
	}
	return true
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
