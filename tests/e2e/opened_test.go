package e2e

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"iter"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp/inventory"
)

// opened is a backup that was opened by stock tools alone. Everything here reads it as
// FORMAT.md says, and not as the product's packages do.
type opened struct {
	t         *testing.T
	dir       string // a folder for each part, and catalog.jsonl
	manifest  manifestFile
	records   map[string]map[digest]int // by part: how often each item is there
	documents map[documentKey]string    // types of the documents of a stamp
	ids       map[string]bool           // their IDs, in lower case
	vaults    []string                  // the documents that vaults gave
}

type digest = [sha256.Size]byte

// documentKey is an endpoint and the digest of what it sent.
type documentKey struct {
	endpoint string
	document digest
}

// manifestFile is what the test reads of a manifest.json.
type manifestFile struct {
	Status   string
	Services []struct {
		Service, Status, File string
		Items                 int
	}
}

// recordLine is the envelope of a stamp's document.
type recordLine struct {
	Endpoint, Type, APIVersion string
	Document                   json.RawMessage
	DocumentBase64             string
}

// stockTools opens a backup's folder.
const stockTools = `set -euo pipefail
sha256sum --quiet -c SHA256SUMS
ssh-keygen -Y verify -f ../../allowed_signers -I infrabackup -n infrabackup -s SHA256SUMS.sig < SHA256SUMS
age -d -i "$KEY" key.age > "$OUT/backup.key"
age -d -i "$OUT/backup.key" catalog.zst.age | zstd -dq > "$OUT/catalog.jsonl"
for part in *.tar.zst.age; do
  mkdir "$OUT/${part%%.*}"
  age -d -i "$OUT/backup.key" "$part" | zstd -dq | tar x -C "$OUT/${part%%.*}"
done
rm "$OUT/backup.key"`

// openWithStockTools opens the backup in a folder.
func openWithStockTools(t *testing.T, folder, identity string) *opened {
	t.Helper()
	b := &opened{t: t, dir: t.TempDir(), records: map[string]map[digest]int{}, documents: map[documentKey]string{}, ids: map[string]bool{}}
	cmd := exec.Command("bash", "-c", stockTools)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "OUT="+b.dir, "KEY="+identity)
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", text)
	require.NoError(t, json.Unmarshal([]byte(readAll(t, filepath.Join(folder, "manifest.json"))), &b.manifest))
	for _, s := range b.manifest.Services {
		if s.File != "" {
			b.read(strings.ToLower(s.Service))
		}
	}
	return b
}

// recordPath matches the entries of a tar archive that hold records.
var recordPath = regexp.MustCompile(`^[a-z0-9-]+/[0-9]{6,}\.jsonl$`)

// read reads the items of a part: each line of a records' entry is one, and each other
// file.
func (b *opened) read(part string) {
	t := b.t
	b.records[part] = map[digest]int{}
	root := filepath.Join(b.dir, part)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		data := []byte(readAll(t, path))
		if !recordPath.MatchString(name) {
			b.records[part][sha256.Sum256(data)]++
			return nil
		}
		for line := range bytes.Lines(data) {
			line = bytes.TrimSuffix(line, []byte("\n"))
			b.records[part][sha256.Sum256(line)]++
			if bytes.HasPrefix(line, []byte(`{"endpoint":`)) {
				b.keep(line)
			}
		}
		return nil
	})
	require.NoError(t, err)
}

func (b *opened) keep(line []byte) {
	var r recordLine
	require.NoError(b.t, json.Unmarshal(line, &r))
	document := []byte(r.Document)
	if r.DocumentBase64 != "" {
		var err error
		document, err = base64.StdEncoding.DecodeString(r.DocumentBase64)
		require.NoError(b.t, err)
	}
	require.NotEmpty(b.t, r.APIVersion)
	b.documents[documentKey{r.Endpoint, sha256.Sum256(document)}] = r.Type
	if r.Endpoint == "vault" {
		b.vaults = append(b.vaults, string(document))
		return
	}
	var named struct{ ID string }
	if json.Unmarshal(document, &named) == nil {
		b.ids[strings.ToLower(named.ID)] = true
	}
}

// requireStore compares the backup with what a stand-in's own store held, and its parts
// with its catalog and manifest. It returns how much that was.
func (b *opened) requireStore(documents iter.Seq[inventory.Document], objects iter.Seq[inventory.VaultObject]) (held, versions int) {
	t := b.t
	b.requireCatalog()
	for d := range documents {
		held++
		// The store does not count how often a tag is used, its answers do.
		if strings.EqualFold(d.Type, "Microsoft.Resources/tagNames") {
			require.True(t, b.ids[strings.ToLower(d.ID)], "%s is not in the backup", d.ID)
			continue
		}
		fullType, found := b.documents[documentKey{string(d.Endpoint), sha256.Sum256(d.Body)}]
		require.True(t, found, "%s %s of endpoint %s is not in the backup as the store holds it", d.Type, d.ID, d.Endpoint)
		require.True(t, strings.EqualFold(fullType, d.Type), "%s was captured as %s", d.ID, fullType)
	}
	now := time.Now().Unix()
	for o := range objects {
		for _, v := range o.Versions {
			if o.Kind == "secrets" && (!v.Enabled || v.NotBefore > now || v.Expires > 0 && v.Expires < now) {
				continue // given to nobody
			}
			versions++
			_, found := b.documents[documentKey{"vault", sha256.Sum256(v.Body)}]
			require.True(t, found, "%s/%s/%s version %s is not in the backup as the vault gives it", o.Vault, o.Kind, o.Name, v.Version)
		}
	}
	return held, versions
}

// requireCatalog compares what lies in the parts with the catalog, and counts.
func (b *opened) requireCatalog() {
	t := b.t
	items, left := map[string]int{}, map[string]map[digest]int{}
	for part, records := range b.records {
		left[part] = map[digest]int{}
		maps.Copy(left[part], records)
	}
	f, err := os.Open(filepath.Join(b.dir, "catalog.jsonl"))
	require.NoError(t, err)
	defer func() { _ = f.Close() }() // only read
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 256<<10)
	for n := 0; lines.Scan(); n++ {
		var e struct {
			Service, SHA256 string
			Supersedes      bool
			End             *struct{ Items int }
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &e))
		switch {
		case n == 0:
			require.JSONEq(t, `{"type":"infrabackup-catalog","format":1}`, lines.Text())
		case e.End != nil:
			require.Equal(t, n-1, e.End.Items)
		default:
			part := strings.ToLower(e.Service)
			if !e.Supersedes {
				items[e.Service]++
			}
			sum, err := hex.DecodeString(e.SHA256)
			require.NoError(t, err)
			if left[part][digest(sum)]--; left[part][digest(sum)] == 0 {
				delete(left[part], digest(sum))
			}
		}
	}
	require.NoError(t, lines.Err())
	for _, s := range b.manifest.Services {
		require.Equal(t, s.Items, items[s.Service], "items of %s", s.Service)
		require.Empty(t, left[strings.ToLower(s.Service)], "the catalog and the part of %s differ", s.Service)
	}
}
