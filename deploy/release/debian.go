package main

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// scripts are what dpkg runs, from deploy/debian.
var scripts = []string{"postinst", "prerm", "postrm"}

// control describes the package (deb-control(5)). sshd's and age's tools are what an operator
// checks and opens backups with when this program is not at hand.
const control = `Package: infrabackup
Version: %s
Architecture: %s
Maintainer: infrabackup developers <infrabackup@localhost>
Installed-Size: %d
Depends: systemd | systemd-standalone-sysusers
Recommends: ca-certificates
Suggests: age, openssh-client
Section: admin
Priority: optional
Description: backup of a private cloud's control plane to an SMB share
 Captures directory, certificate authority, resource managers, key vaults and
 role assignments of one Azure Stack style cloud, encrypted with a key that the
 service itself cannot open, as a durable Temporal workflow; and restores them.
`

// debian writes the Debian package, with the tool that Debian has for it.
// Compression is one that dpkg-deb(1) knows.
func (p *bundle) debian(ctx context.Context, path, arch, version, compression string) (err error) {
	root, err := os.MkdirTemp("", "infrabackup-deb")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	if err := os.Chmod(root, 0o755); err != nil {
		return err
	}
	var size int64
	var sums strings.Builder
	for _, f := range p.files {
		if err := put(root, f); err != nil {
			return err
		}
		size += int64(len(f.data))
		sum := md5.Sum(f.data) // what dpkg --verify compares with; the release's own sums are SHA-256
		fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), f.path)
	}
	meta := []file{
		{"DEBIAN/control", 0o644, fmt.Appendf(nil, control, version, arch, (size+1023)/1024)},
		{"DEBIAN/md5sums", 0o644, []byte(sums.String())},
	}
	for _, name := range scripts {
		data, err := os.ReadFile(filepath.Join(p.source, "deploy/debian", name))
		if err != nil {
			return err
		}
		meta = append(meta, file{"DEBIAN/" + name, 0o755, data})
	}
	for _, f := range meta {
		if err := put(root, f); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--root-owner-group", "-Z"+compression, "--build", root, path)
	cmd.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", p.modified.Unix()))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("dpkg-deb: %w: %s", err, out)
	}
	return nil
}

// put writes a file below a folder, with its mode whatever the umask is.
func put(root string, f file) error {
	to := filepath.Join(root, f.path)
	for dir := filepath.Dir(f.path); dir != "."; dir = filepath.Dir(dir) {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
		if err := os.Chmod(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(to, f.data, f.mode); err != nil {
		return err
	}
	return os.Chmod(to, f.mode)
}
