package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"mailquorum/internal/roster"
)

func newKey() *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "Make and show the keys of nodes"}
	cmd.AddCommand(newKeyGenerate(), newKeyPublic())
	return group(cmd)
}

func newKeyGenerate() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "generate --out FILE",
		Short: "Make a key pair: the private half into a file, the public half to standard output",
		Long: `Writes a new private key to a file that only its owner may read, and prints the
public key, which goes into the roster. A file that exists is never overwritten.
Each node needs a key of its own; the private half never leaves its host.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return usagef("--out is missing: the file for the private key")
			}
			key := roster.GenerateKey()
			if err := writeNew(out, key.Encode()); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), key.Public())
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`FILE` for the private key; it must not exist")
	return cmd
}

// writeNew writes a file that must not exist, readable by its owner only, and
// waits until it is on disk.
func writeNew(path string, content []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("writing the private key: %s exists, and a key is never overwritten", path)
	}
	if err != nil {
		return fmt.Errorf("writing the private key: %w", err)
	}
	defer func() {
		if err != nil {
			os.Remove(path)
			err = fmt.Errorf("writing the private key: %w", err)
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func newKeyPublic() *cobra.Command {
	return &cobra.Command{
		Use:   "public FILE",
		Short: "Print the public half of a private key",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("reading the private key: %w", err)
			}
			key, err := roster.ParsePrivateKey(content)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), key.Public())
			return err
		},
	}
}
