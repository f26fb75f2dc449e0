package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// sumsFile names everything that is published, in the form that sha256sum -c reads.
const sumsFile = "SHA256SUMS"

// namespace keeps a signature of a release from being taken for one of a backup (sshsig).
const namespace = "infrabackup-release"

// sums writes the sums of everything, and signs them where there is a key.
func (r *release) sums(ctx context.Context) error {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, e := range entries { // sorted by name
		data, err := os.ReadFile(filepath.Join(r.out, e.Name()))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		fmt.Fprintf(&text, "%s  %s\n", hex.EncodeToString(sum[:]), e.Name())
	}
	path := filepath.Join(r.out, sumsFile)
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		return err
	}
	if r.sign == "" {
		return nil
	}
	_, err = output(ctx, r.tree, "ssh-keygen", "-q", "-Y", "sign", "-f", r.sign, "-n", namespace, path)
	return err
}
