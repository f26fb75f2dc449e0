package e2e

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
)

// opened is a backup that was opened by stock tools alone. Everything here reads it as
// FORMAT.md says, and not as the product's packages do.
type opened struct {
	dir      string                     // a folder for each part, and catalog.jsonl
	manifest manifestFile               // its public facts
	records  map[string]map[string]int  // by part: how often each record is there
	document map[documentKey]recordLine // of the services of the stamp
}

// manifestFile is what the test reads of a manifest.json.
type manifestFile struct {
	Status   string
	Services []struct {
		Service, Status, File string
		Items                 int
	}
	Consistency struct {
		Dangling []map[string]string
	}
}

// documentKey is an endpoint and the bytes that it sent.
type documentKey struct{ endpoint, document string }

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

// open opens a backup.
func (o *operator) open(done backup.Overview) *opened {
	t := o.t
	folder := filepath.Join(o.env["LAB_SHARE_DIR"], filepath.FromSlash(done.Path))
	b := &opened{dir: t.TempDir(), records: map[string]map[string]int{}, document: map[documentKey]recordLine{}}
	cmd := exec.Command("bash", "-c", stockTools)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "OUT="+b.dir, "KEY="+o.file("operator.key"))
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", text)
	require.NoError(t, json.Unmarshal([]byte(readAll(t, filepath.Join(folder, "manifest.json"))), &b.manifest))
	for _, s := range b.manifest.Services {
		b.read(o, strings.ToLower(s.Service))
	}
	return b
}

// recordPath matches the entries of a tar archive that hold records.
var recordPath = regexp.MustCompile(`^[a-z0-9-]+/[0-9]{6,}\.jsonl$`)

// read reads the items of a part: each line of a records' entry is one, and each other
// file.
func (b *opened) read(o *operator, part string) {
	t := o.t
	b.records[part] = map[string]int{}
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
			b.records[part][digestOf(data)]++
			return nil
		}
		for line := range bytes.Lines(data) {
			line = bytes.TrimSuffix(line, []byte("\n"))
			b.records[part][digestOf(line)]++
			if part != "ad" && part != "ca" {
				b.keep(o, line)
			}
		}
		return nil
	})
	require.NoError(t, err)
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (b *opened) keep(o *operator, line []byte) {
	var r recordLine
	require.NoError(o.t, json.Unmarshal(line, &r))
	document := []byte(r.Document)
	if r.DocumentBase64 != "" {
		var err error
		document, err = base64.StdEncoding.DecodeString(r.DocumentBase64)
		require.NoError(o.t, err)
	}
	require.NotEmpty(o.t, r.APIVersion)
	b.document[documentKey{r.Endpoint, string(document)}] = r
}

// everyItem compares a backup with what the stand-in's own store held, and its parts
// with its catalogue and manifest.
func (o *operator) everyItem(b *opened) {
	t := o.t
	b.requireCatalogue(o)
	held, counted := 0, map[string]bool{}
	for _, d := range linesOf[struct {
		Endpoint, ID, Type string
		Body               json.RawMessage
	}](o, "documents.jsonl") {
		held++
		if strings.EqualFold(d.Type, "Microsoft.Resources/tagNames") {
			counted[strings.ToLower(d.ID)] = true // the store does not count how often a tag is used, its answers do
			continue
		}
		r, found := b.document[documentKey{d.Endpoint, string(d.Body)}]
		require.True(t, found, "%s %s of endpoint %s is not in the backup as the store holds it", d.Type, d.ID, d.Endpoint)
		require.Truef(t, strings.EqualFold(r.Type, d.Type), "%s was captured as %s", d.ID, r.Type)
	}
	require.Greater(t, held, 1000)
	for key := range b.document {
		var named struct{ ID string }
		if json.Unmarshal([]byte(key.document), &named) == nil {
			delete(counted, strings.ToLower(named.ID))
		}
	}
	require.Empty(t, counted, "names of tags that are not in the backup")

	versions, now := 0, time.Now().Unix()
	for _, v := range linesOf[struct {
		Vault, Kind, Name string
		Versions          []struct {
			Version            string
			Body               json.RawMessage
			Enabled            bool
			Expires, NotBefore int64
		}
	}](o, "vault-objects.jsonl") {
		for _, version := range v.Versions {
			if v.Kind == "secrets" && (!version.Enabled || version.NotBefore > now || version.Expires > 0 && version.Expires < now) {
				continue // given to nobody
			}
			versions++
			require.Contains(t, b.document, documentKey{"vault", string(version.Body)}, "%s/%s/%s version %s", v.Vault, v.Kind, v.Name, version.Version)
		}
	}
	require.Greater(t, versions, 50)
	o.requireSecretsInside(b)
	t.Logf("the backup holds all %d documents and %d vault versions of the stamp, byte for byte", held, versions)
}

// requireSecretsInside makes sure that the search for canaries would find them: values
// of secrets are where they belong, within the encrypted part.
func (o *operator) requireSecretsInside(b *opened) {
	inside := 0
	for _, secret := range o.stampSecrets() {
		for key := range b.document {
			if key.endpoint == "vault" && strings.Contains(key.document, secret) {
				inside++
				break
			}
		}
	}
	require.Greater(o.t, inside, 20)
}

// requireCatalogue compares what lies in the parts with the catalogue, and counts.
func (b *opened) requireCatalogue(o *operator) {
	t := o.t
	items, left := map[string]int{}, map[string]map[string]int{}
	for part, records := range b.records {
		left[part] = map[string]int{}
		for digest, n := range records {
			left[part][digest] = n
		}
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
			if left[part][e.SHA256]--; left[part][e.SHA256] == 0 {
				delete(left[part], e.SHA256)
			}
		}
	}
	require.NoError(t, lines.Err())
	for _, s := range b.manifest.Services {
		require.Equal(t, s.Items, items[s.Service], "items of %s", s.Service)
		require.Empty(t, left[strings.ToLower(s.Service)], "the catalogue and the part of %s differ", s.Service)
	}
}

// linesOf reads a file that the lab wrote about its stamp.
func linesOf[T any](o *operator, name string) []T {
	o.t.Helper()
	var all []T
	decoder := json.NewDecoder(strings.NewReader(readAll(o.t, filepath.Join(o.env["LAB_ARM_CONTENTS"], name))))
	for decoder.More() {
		var one T
		require.NoError(o.t, decoder.Decode(&one))
		all = append(all, one)
	}
	return all
}

// eightServices checks what the commands say of a whole backup.
func (o *operator) eightServices(shown backup.Overview, deep backup.Verdict) {
	t := o.t
	require.Equal(t, backup.Succeeded, shown.Status)
	items := int64(0)
	var services []backup.Service
	for _, s := range shown.Services {
		services = append(services, s.Service)
		require.Equal(t, backup.Succeeded, s.Status, "%s: %s", s.Service, s.Message)
		require.Positive(t, s.Items, s.Service)
		items += s.Items
	}
	require.Equal(t, backup.Services(), services)
	require.Equal(t, items, deep.Items)

	c := shown.Consistency
	require.NotNil(t, c)
	require.Positive(t, c.Skew.SpreadMS)
	require.Len(t, c.Relations, 9, "every relation that a stamp has")
	require.Len(t, linesOf[map[string]string](o, "dangling.jsonl"), len(c.Dangling))
	checked, dangling, unchecked := c.Totals()
	require.Positive(t, checked)
	require.Zero(t, dangling)
	require.Zero(t, unchecked)
	text := o.run("backup", "show", "latest")
	require.Zero(t, text.code, text.stderr)
	require.Regexp(t, `(?m)^Captured: +.* in all$`, text.stdout)
	require.Regexp(t, `(?m)^Apart: `, text.stdout)
	require.Regexp(t, `(?m)^References: +[1-9][0-9]* checked, 0 dangling, 0 unchecked$`, text.stdout)
}
