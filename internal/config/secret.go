package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"mailquorum/internal/secret"
)

// Secret says where a secret is, and after loading holds it. It is written as
// one of
//
//	file:/path/to/file   the content of a file; a relative path is relative to
//	                     the configuration file
//	credential:NAME      the file NAME in $CREDENTIALS_DIRECTORY, where systemd
//	                     puts what LoadCredential= names
//	env:NAME             the environment variable NAME
//
// One newline at the end is cut off. Nothing else is taken for a secret: a
// password written into the configuration is an error, which does not show it.
type Secret struct {
	Ref string // where it is, safe to show
	secret.Secret
}

var (
	credentialName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	variableName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
)

// UnmarshalText reads a reference. The error shows nothing of it.
func (s *Secret) UnmarshalText(b []byte) error {
	kind, name, ok := strings.Cut(string(b), ":")
	switch {
	case ok && kind == "file" && name != "" && !strings.HasPrefix(name, "//"):
	case ok && kind == "credential" && credentialName.MatchString(name):
	case ok && kind == "env" && variableName.MatchString(name):
	default:
		return errors.New("want file:/path, credential:NAME or env:NAME: secrets do not stand in this file (if this was one, change it)")
	}
	s.Ref = string(b)
	return nil
}

// MarshalText writes the reference.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.Ref), nil }

// Set reports whether the configuration has a reference.
func (s Secret) Set() bool { return s.Ref != "" }

// maxSecret bounds a secret, in bytes.
const maxSecret = 64 << 10

// read fetches the secret. The warning is "" or what is unwise about its place.
// Neither it nor the error shows anything of the secret.
func (s *Secret) read(dir string, getenv func(string) string) (warning string, err error) {
	kind, name, _ := strings.Cut(s.Ref, ":")
	var value string
	switch kind {
	case "env":
		if value = getenv(name); value == "" {
			return "", fmt.Errorf("the environment variable %s is not set", name)
		}
	case "credential":
		credentials := getenv("CREDENTIALS_DIRECTORY")
		if credentials == "" {
			return "", errors.New("$CREDENTIALS_DIRECTORY is not set: systemd sets it for a unit with LoadCredential=; to check a file elsewhere use `mailquorum config check --without-secrets`")
		}
		if value, warning, err = readSecret(filepath.Join(credentials, name)); errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("there is no credential %s in $CREDENTIALS_DIRECTORY: the unit needs LoadCredential=%s:/path/of/the/file", name, name)
		}
	case "file":
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		value, warning, err = readSecret(name)
	}
	if err != nil {
		return "", err
	}
	value = strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
	if value == "" {
		return "", errors.New("the secret is empty")
	}
	if strings.ContainsAny(value, "\n\x00") {
		return "", errors.New("the secret has more than one line")
	}
	s.Secret = secret.New(value)
	return warning, nil
}

func readSecret(path string) (value, warning string, err error) {
	b, mode, err := readRegular(path, maxSecret)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("reading the secret: %w", err)
	case len(b) > maxSecret:
		return "", "", fmt.Errorf("reading the secret: %s is larger than 64 KiB", path)
	case mode&0o007 != 0:
		warning = fmt.Sprintf("%s is open to every user of this host (mode %04o): chmod o= %s", path, mode, path)
	}
	return string(b), warning, nil
}
