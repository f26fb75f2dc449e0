package campaign

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// root is an instance's folder on a share.
func (c *campaign) root(share int) string {
	return filepath.Join(c.site.file("share"), folders[share], instance)
}

// unc is the path of a share, as it is given to commands.
func (c *campaign) unc(share int) string { return c.site.files.UNC() + `\` + folders[share] }

// digests are those of all files below a folder by path; folders end in a slash.
func digests(root string) (map[string]string, error) {
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			all[name+"/"] = ""
			return nil
		}
		data, err := os.ReadFile(path)
		sum := sha256.Sum256(data)
		all[name] = hex.EncodeToString(sum[:])
		return err
	})
	return all, err
}

// everything is what lies on the whole share.
func (c *campaign) everything() map[string]string {
	c.t.Helper()
	all, err := digests(c.site.file("share"))
	if err != nil {
		c.diverge("the share cannot be read: %v", err)
	}
	delete(all, "ballast")
	return all
}

// differing are the paths that are not the same in both.
func differing(a, b map[string]string) []string {
	var out []string
	for path, sum := range a {
		if other, ok := b[path]; !ok {
			out = append(out, "- "+path)
		} else if other != sum {
			out = append(out, "* "+path)
		}
	}
	for path := range b {
		if _, ok := a[path]; !ok {
			out = append(out, "+ "+path)
		}
	}
	slices.Sort(out)
	return out
}

// names are those in a folder, none where it is missing.
func names(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// entry is one of the ledger, as the format has it.
type entry struct {
	Sequence int64  `json:"sequence"`
	Previous string `json:"previous"`
	Action   string `json:"action"`
	BackupID string `json:"backupId"`
}

// ledger reads the ledger of a share and follows its chain.
func (c *campaign) ledger(share int) (entries []entry, sums []string, err error) {
	dir := filepath.Join(c.root(share), "ledger")
	previous := ""
	for _, name := range names(dir) { // sorted
		if !strings.HasSuffix(name, ".entry") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, nil, err
		}
		line, _, _ := bytes.Cut(data, []byte("-----BEGIN"))
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		if want := int64(len(entries) + 1); e.Sequence != want || name != fmt.Sprintf("%08d.entry", want) || e.Previous != previous {
			return nil, nil, fmt.Errorf("%s does not follow the entry before: %s", name, line)
		}
		sum := sha256.Sum256(line)
		previous = hex.EncodeToString(sum[:])
		entries, sums = append(entries, e), append(sums, previous)
	}
	return entries, sums, nil
}

// sumsHold compares the files of a backup with its own list, as sha256sum does, and returns
// what differs and the names in the list.
func sumsHold(dir string) (wrong string, listed []string) {
	text, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		return err.Error(), nil
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		want, name, ok := strings.Cut(lines.Text(), "  ")
		if !ok {
			return "a line of SHA256SUMS is none", nil
		}
		listed = append(listed, name)
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err.Error(), nil
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != want {
			return name + " is another one", nil
		}
	}
	return "", listed
}

// opens reports whether stock age opens the key of a backup with an operator's.
func (c *campaign) opens(dir, key string) bool {
	return exec.Command("age", "-d", "-i", c.site.file(key), "-o", "/dev/null", filepath.Join(dir, "key.age")).Run() == nil
}

// tokenIn opens a backup with stock tools and returns the file of the CA that differs in each.
func (c *campaign) tokenIn(dir, key string) (string, error) {
	script := `set -euo pipefail
t=$(mktemp -d); trap 'rm -rf "$t"' EXIT
age -d -i "$1" -o "$t/backup.key" "$2/key.age"
age -d -i "$t/backup.key" "$2/ca.tar.zst.age" | zstd -dqc | tar xO ca/token`
	out, err := exec.Command("bash", "-c", script, "open", c.site.file(key), dir).Output()
	return string(out), err
}

// fingerprint is that of a recipient, as the format defines it.
func fingerprint(recipient string) string {
	sum := sha256.Sum256([]byte(recipient))
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// manifest is what the model looks at in one.
type manifest struct {
	BackupID string `json:"backupId"`
	Status   string `json:"status"`
	Services []struct {
		Service, Status string
	} `json:"services"`
}

// manifestOf reads that of a backup.
func manifestOf(dir string) (m manifest, err error) {
	data, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(data, &m)
}

// has reports whether a service is in the backup.
func (m manifest) has(service string) bool {
	for _, s := range m.Services {
		if s.Service == service {
			return s.Status == "Succeeded"
		}
	}
	return false
}
