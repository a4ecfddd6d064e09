package probes

import "strings"

const (
	letters = "abcdefghijklmnopqrstuvwxyz"
	digits  = "0123456789"
	alnum   = letters + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + digits
)

// ValidAddress reports whether s is a mail address that canaries may use: a
// local part of 1 to 64 letters, digits and . _ + - = (no dot first, last or
// doubled), and a domain per ValidHost. RFC 5321 allows more; nothing more is
// needed, and nothing here can end a line, a bracket or a comment.
func ValidAddress(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(local) == 0 || len(local) > 64 || strings.Trim(local, alnum+"._+-=") != "" {
		return false
	}
	return local[0] != '.' && local[len(local)-1] != '.' && !strings.Contains(local, "..") && ValidHost(domain)
}

// ValidHost reports whether s is a host or domain name: labels of 1 to 63
// letters, digits and inner hyphens, 253 characters in all, no final dot.
func ValidHost(s string) bool {
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, alnum+"-") != "" {
			return false
		}
	}
	return true
}

// plainName reports whether s can stand in a sentence of the letter.
func plainName(s string) bool {
	return len(s) > 0 && len(s) <= 64 && strings.Trim(s, alnum+"._-") == ""
}
