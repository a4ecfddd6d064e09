package token

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"mailquorum/internal/secret"
)

// kept is the content of a file that keeps a refresh token.
type kept struct {
	From  string `json:"from"`  // SHA-256 of the configured token that it descends from
	Token string `json:"token"` // the newest one
}

// Kept returns the newest refresh token that Keep wrote to the file at path for
// the configured one, or the configured one where there is none: when the account
// was authorized anew, what descends from the former token is worth nothing. With
// an error the token is the configured one; the error shows nothing of either.
func Kept(path string, configured secret.Secret) (secret.Secret, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return configured, nil
	}
	if err != nil {
		return configured, fmt.Errorf("reading the refresh token that was kept: %w", err)
	}
	defer f.Close()
	var k kept
	if err := json.NewDecoder(io.LimitReader(f, 1<<20)).Decode(&k); err != nil {
		return configured, fmt.Errorf("reading the refresh token that was kept: %s is damaged", path)
	}
	if k.From != sum(configured) || k.Token == "" {
		return configured, nil
	}
	return secret.New(k.Token), nil
}

// Keep puts the newest refresh token on disk, in place of the one before, in a file
// that only the owner of its directory can read.
func Keep(path string, configured, newest secret.Secret) error {
	if err := keep(path, configured, newest); err != nil {
		return fmt.Errorf("keeping a new refresh token: %w", err)
	}
	return nil
}

func keep(path string, configured, newest secret.Secret) error {
	b, err := json.Marshal(kept{sum(configured), newest.Reveal()})
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is nothing to remove
	_, err = f.Write(b)
	if err := errors.Join(err, belongTo(f, dir), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// belongTo gives the file to the owner of the directory: a check that root runs
// must not lock the agent out of its own token.
func belongTo(f *os.File, dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) == os.Geteuid() {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}

func sum(s secret.Secret) string {
	h := sha256.Sum256([]byte(s.Reveal()))
	return hex.EncodeToString(h[:])
}
