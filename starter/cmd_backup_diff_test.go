package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/repository/repositorytest"
)

// twoBackups is a share with two backups of a directory, and how they are compared.
type twoBackups struct {
	*repositorytest.Fixture
	t    *testing.T
	key  string
	list string // of trusted signers
}

func newTwoBackups(t *testing.T) *twoBackups {
	t.Helper()
	k := &twoBackups{Fixture: repositorytest.New(t, 11), t: t}
	dir := t.TempDir()
	k.key, k.list = filepath.Join(dir, "operator.key"), filepath.Join(dir, "trusted")
	require.NoError(t, os.WriteFile(k.key, []byte(k.IDs[0].Text().Reveal()), 0o600))
	require.NoError(t, os.WriteFile(k.list, k.Signers, 0o600))
	user := func(guid, name, title string) func(w *archive.Writer) error {
		return func(w *archive.Writer) error {
			r := record.Record{DN: "CN=" + name + ",DC=corp", GUID: guid, NamingContext: "DC=corp", Attributes: []record.Attribute{
				{Name: "objectClass", Values: [][]byte{[]byte("user")}}, {Name: "title", Values: [][]byte{[]byte(title)}}, {Name: "unixUserPassword", Values: [][]byte{[]byte("canary " + title)}},
			}}
			return w.Record(backup.Item{Kind: record.Kind, ID: r.GUID, Name: r.DN}, r.AppendJSON(nil))
		}
	}
	const guid = "00000001-0000-4000-8000-000000000000"
	k.Fill = user(guid, "Ana", "one")
	k.BackUp()
	k.Fill = user(guid, "Anna \x1b[2J", "two")
	k.BackUp()
	return k
}

func (k *twoBackups) diff(args ...string) outcome {
	k.t.Helper()
	return call(k.t, "", nil, append([]string{"backup", "diff", "--from", k.Folder, "--identity", k.key}, args...)...)
}

func TestDiff(t *testing.T) {
	k := newTwoBackups(t)
	first, second := string(k.Live[0].ID), string(k.Live[1].ID)
	out := k.diff("latest~1", "latest", "--allowed-signers", k.list)
	require.Zero(t, out.code, out.stderr)
	require.Empty(t, out.stderr)
	require.Regexp(t, `(?m)^AD +1 +1 +0 +0 +0 +1 +0$`, out.stdout)
	require.Contains(t, out.stdout, "renamed directory-object user CN=Anna \\x1b[2J,DC=corp")
	require.Contains(t, out.stdout, "was called CN=Ana,DC=corp")
	require.Contains(t, out.stdout, "title: one -> two")
	require.Contains(t, out.stdout, "unixUserPassword: a secret was changed")
	require.NotContains(t, out.stdout, "canary")
	for _, r := range out.stdout {
		require.True(t, printable.Visible(r) || r == '\n', "%U", r)
	}

	for _, format := range [][]string{{"--json"}, {"-o", "json"}} {
		out = k.diff(append([]string{first[:8], second, "--service", "ad"}, format...)...)
		require.Zero(t, out.code, out.stderr)
		require.Contains(t, out.stderr, "without --allowed-signers")
		var r result.Report
		require.NoError(t, json.Unmarshal([]byte(out.stdout), &r))
		require.Equal(t, result.Format, r.Format)
		require.False(t, r.Same)
		require.Equal(t, backup.ID(first), r.A.BackupID)
		require.Equal(t, result.Renamed, r.Services[0].Changes[0].How)
		require.NotContains(t, out.stdout, "canary")
	}

	out = k.diff("latest", "latest", "--json")
	require.Zero(t, out.code, out.stderr)
	require.Contains(t, out.stdout, `"same": true`)
	out = k.diff("latest", "latest~1", "--json")
	require.Contains(t, out.stderr, "A was made after B")
}

// TestDiffPage: the page is its owner's, new, and nowhere near the backups.
func TestDiffPage(t *testing.T) {
	k := newTwoBackups(t)
	file := filepath.Join(t.TempDir(), "changes.html")
	out := k.diff("latest~1", "latest", "--html", file)
	require.Zero(t, out.code, out.stderr)
	require.Contains(t, out.stderr, "confidential")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	page, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, part := range []string{"default-src 'none'", "Anna \\x1b[2J", string(k.Live[0].ID), "--json", "<title>"} {
		require.Contains(t, string(page), part)
	}
	require.NotContains(t, string(page), "canary")

	out = k.diff("latest~1", "latest", "--html", file)
	require.Equal(t, fault.AlreadyExists.Exit(), out.code)
	require.Contains(t, out.stderr, "ALREADY_EXISTS")
	for _, where := range []string{filepath.Join(k.Folder, "page.html"), k.Path("page.html"), k.Of(k.Live[0], "page.html")} {
		out = k.diff("latest~1", "latest", "--html", where)
		require.Equal(t, fault.ExitUsage, out.code)
		require.NoFileExists(t, where)
	}
}

func TestDiffRefusals(t *testing.T) {
	k := newTwoBackups(t)
	first := string(k.Live[0].ID)
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"live without target": {[]string{"latest", "--live"}, fault.ExitUsage, "--live needs --target"},
		"target of nothing":   {[]string{"latest~1", "latest", "--target", "x"}, fault.ExitUsage, "--target belongs to --live"},
		"two and live":        {[]string{"latest~1", "latest", "--live", "--target", "x"}, fault.ExitUsage, "takes one argument"},
		"no target file":      {[]string{"latest", "--live", "--target", k.Path("none")}, fault.ExitUsage, "cannot be read"},
		"one backup":          {[]string{"latest"}, fault.ExitUsage, "needs two arguments: A and B"},
		"an unknown service":  {[]string{"latest~1", "latest", "--service", "DNS"}, fault.ExitUsage, "is no service; use AD, CA"},
		"no backup so far":    {[]string{"latest~5", "latest"}, fault.ExitNotFound, "none that is 5 before the newest"},
		"no such backup":      {[]string{"0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", "latest"}, fault.ExitNotFound, "BACKUP_NOT_FOUND"},
		"no name of a backup": {[]string{"yesterday", "latest"}, fault.ExitUsage, "is not the ID of a backup"},
		"trust and no trust":  {[]string{"latest~1", "latest", "--unverified", "--allowed-signers", k.list}, fault.ExitUsage, "exclude each other"},
		"the folder of one":   {[]string{"latest~1", first, "--from", k.Of(k.Live[0])}, fault.ExitUsage, "the folder of one backup"},
	} {
		out := k.diff(c.args...)
		require.Equal(t, c.code, out.code, "%s: %s", name, out.stderr)
		require.Contains(t, out.stderr, c.want, name)
	}
	out := call(t, "", nil, "backup", "diff", "latest~1", "latest", "--from", k.Folder)
	require.Contains(t, out.stderr, "--identity is needed")

	// What no trusted key signed is compared only when that is asked for.
	stranger := filepath.Join(t.TempDir(), "strangers")
	other := newTwoBackups(t)
	require.NoError(t, os.WriteFile(stranger, other.Signers, 0o600))
	out = k.diff("latest~1", "latest", "--allowed-signers", stranger)
	require.Equal(t, fault.ExitDamaged, out.code, out.stderr)
	require.Contains(t, out.stderr, "BACKUP_FORGED")
	out = k.diff("latest~1", "latest", "--unverified")
	require.Zero(t, out.code)
	require.Contains(t, out.stderr, "nothing vouches")
	out = call(t, "", nil, "backup", "diff", "latest~1", "latest", "--from", k.Folder, "--identity", other.key)
	require.Equal(t, fault.ExitKeyDoesNotFit, out.code)
}
