package ca

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ca/openssl"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
)

// small is a backup without a CA that openssl made.
func small(entries ...backup.CatalogEntry) *captured {
	b := &captured{contents: map[string][]byte{}}
	for _, e := range entries {
		e.Service = backup.CA
		data := []byte(e.Name)
		e.Name = "x"
		b.add(e, data)
	}
	return b
}

func file(path, content string) backup.CatalogEntry {
	return backup.CatalogEntry{Item: backup.Item{Kind: "file", ID: path, Name: content}, Path: path}
}

func item(kind, id, content string) backup.CatalogEntry {
	return backup.CatalogEntry{Item: backup.Item{Kind: kind, ID: id, Name: content}, Path: "ca/" + kind + ".jsonl"}
}

// TestBackupsThatLeadOut: nothing of a backup is written outside of the folder.
func TestBackupsThatLeadOut(t *testing.T) {
	r := newRestorer(t, none(t).dir)
	for name, entries := range map[string][]backup.CatalogEntry{
		"up":                     {file("ca/../x", "")},
		"absolute":               {file("ca//etc/x", "")},
		"the folder itself":      {file("ca/", "")},
		"a dot":                  {file("ca/.", "")},
		"elsewhere":              {file("ad/x", "")},
		"up, encoded":            {file("ca-renamed/%2E%2E/x", "")},
		"slash, encoded":         {file("ca-renamed/a%2F%2E%2E%2F%2E%2E%2Fx", "")},
		"NUL":                    {file("ca-renamed/a%00", "")},
		"half a byte":            {file("ca-renamed/a%2", "")},
		"no hex":                 {file("ca-renamed/a%zz", "")},
		"shortened without name": {file("ca-renamed/a~0123", "")},
		"shortened, up":          {item("renamed", "r", `{"path":"ca-renamed/a~0123","nameBytes":"Li4veA=="}`), file("ca-renamed/a~0123", "")},
		"too long":               {file("ca/"+strings.Repeat("x", 256), "")},
		"too deep":               {file("ca/"+strings.Repeat("x/", 65)+"x", "")},
		"twice":                  {file("ca/x", ""), {Item: backup.Item{Kind: "file", ID: "y"}, Path: "ca/x"}},
		"below a file":           {file("ca/x", ""), file("ca/x/y", "")},
		"below a link":           {item("symlink", "x", `{"path":"ca/x","target":"y"}`), file("ca/x/y", "")},
		"mode":                   {item("directory", "x", `{"path":"ca/x","mode":"4755"}`)},
		"no mode":                {item("directory", "x", `{"path":"ca/x","mode":"rwx"}`)},
		"no record":              {item("directory", "x", `[]`)},
		"folder, up":             {item("directory", "x", `{"path":"ca/../x","mode":"0755"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := r.Wants(small(entries...).items(), nil)
			require.ErrorIs(t, err, fault.BackupDamaged)
		})
	}
}

// TestLinksThatLeadOutAreLosses: they are left out, and said.
func TestLinksThatLeadOutAreLosses(t *testing.T) {
	target := none(t)
	r := newRestorer(t, target.dir)
	link := func(name, to string) backup.CatalogEntry {
		document, err := json.Marshal(record{Path: "ca/" + name, Target: to})
		require.NoError(t, err)
		return item("symlink", name, string(document))
	}
	b := small(link("a", "/etc/passwd"), link("b", "../x"), link("c", "d/../../x"), link("d", "sub/../e"), link("e", ""), link("fine", "x"), link("sub/fine", "../x"), file("ca/x", "x"))
	_, losses, err := r.Wants(b.items(), nil)
	require.NoError(t, err)
	n := 0
	for _, l := range losses {
		if l.Code == "CA_LINK_OUTSIDE" {
			n++
		}
	}
	require.Equal(t, 5, n)
	apply(t, b, r)
	for name, want := range map[string]string{"fine": "x", "sub/fine": "../x"} {
		got, err := os.Readlink(target.path(name))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.NoFileExists(t, target.path("a"))
}

// TestTooLarge is said, and the rest of a plan goes on.
func TestTooLarge(t *testing.T) {
	b := small(file("ca/x", "x"))
	items := b.items()
	items[0].Length = maxFolderBytes + 1
	wants, losses, err := newRestorer(t, none(t).dir).Wants(items, nil)
	require.NoError(t, err)
	require.Empty(t, wants)
	require.Equal(t, "CA_TOO_LARGE", losses[0].Code)
}

// TestOddNames come back as they were.
func TestOddNames(t *testing.T) {
	original := newLabCA(t)
	long := strings.Repeat("ü\xff", 60)
	original.write("bad\xffname", "odd")
	original.write("sub\x01/"+long, "long")
	require.NoError(t, os.Symlink("bad\xffname", original.path("link")))
	target := none(t)
	apply(t, original.capture(t, nil), newRestorer(t, target.dir))
	require.Equal(t, "odd", target.read("bad\xffname"))
	require.Equal(t, "long", target.read("sub\x01/"+long))
	to, err := os.Readlink(target.path("link"))
	require.NoError(t, err)
	require.Equal(t, "bad\xffname", to)
}

// TestOddTargets: what is no file stays, is not opened, and is not followed.
func TestOddTargets(t *testing.T) {
	original := newLabCA(t)
	b := original.capture(t, nil)
	original.remove("newcerts/1000.pem")
	require.NoError(t, syscall.Mkfifo(original.path("pipe"), 0o600))
	require.NoError(t, os.Symlink("/etc", original.path("etc")))
	require.NoError(t, os.Symlink("loop", original.path("loop")))
	original.write("odd\xff", "stays")
	apply(t, b, newRestorer(t, original.dir))
	info, err := os.Lstat(original.path("pipe"))
	require.NoError(t, err)
	require.Equal(t, os.ModeNamedPipe, info.Mode().Type())
	to, err := os.Readlink(original.path("etc"))
	require.NoError(t, err)
	require.Equal(t, "/etc", to)
	require.Equal(t, "stays", original.read("odd\xff"))
	require.FileExists(t, original.path("newcerts/1000.pem"))
}

// TestDamagedFilesComeBack: the backup's version replaces what is no certificate, key or CRL.
func TestDamagedFilesComeBack(t *testing.T) {
	original := newLabCA(t)
	b := original.capture(t, nil)
	target := original.copy(t)
	for _, name := range []string{"newcerts/1000.pem", "private/cakey.pem", "crl.pem", "cacert.pem"} {
		target.write(name, strings.Replace(target.read(name), "MI", "!!", 1)[:60])
	}
	index := target.read("index.txt")
	target.write("index.txt", index[:len(index)-10]) // cut off in the last row
	target.remove("serial")
	apply(t, b, newRestorer(t, target.dir))
	for _, name := range []string{"newcerts/1000.pem", "private/cakey.pem", "crl.pem", "cacert.pem", "index.txt"} {
		require.Equal(t, original.read(name), target.read(name), name)
	}
	require.Equal(t, "1067", target.issue("next"))
}

// TestKeys: what is said of a CA whose key does not come back, or only with a passphrase.
func TestKeys(t *testing.T) {
	original := newLabCA(t)
	for name, test := range map[string]struct {
		change func(*labCA)
		loss   string
	}{
		"whole":   {func(*labCA) {}, ""},
		"missing": {func(c *labCA) { c.remove("private/cakey.pem") }, "CA_KEY_NOT_CONTAINED"},
		"encrypted": {func(c *labCA) {
			c.openssl("ec", "-in", "private/cakey.pem", "-aes256", "-passout", "pass:canary", "-out", "private/new.pem")
			require.NoError(t, os.Rename(c.path("private/new.pem"), c.path("private/cakey.pem")))
		}, "CA_KEY_PASSPHRASE"},
		"elsewhere": {func(c *labCA) {
			c.remove("private/cakey.pem")
			c.write("openssl.cnf", strings.Replace(labConfig, "$dir/private/cakey.pem", "pkcs11:token=hsm;object=ca", 1))
		}, "CA_KEY_ELSEWHERE"},
	} {
		t.Run(name, func(t *testing.T) {
			c := original.copy(t)
			test.change(c)
			_, losses, err := newRestorer(t, none(t).dir).Wants(c.capture(t, nil).items(), nil)
			require.NoError(t, err)
			found := ""
			for _, l := range losses {
				if strings.HasPrefix(l.Code, "CA_KEY") {
					found += l.Code
				}
			}
			require.Equal(t, test.loss, found)
		})
	}
}

// TestRandomSerials: a serial file that nobody counts with is left as it is.
func TestRandomSerials(t *testing.T) {
	c := newLabCA(t)
	c.write("openssl.cnf", strings.Replace(labConfig, "unique_subject", "rand_serial = yes\nunique_subject", 1))
	c.issue("random")
	b := c.capture(t, nil)
	target := none(t)
	apply(t, b, newRestorer(t, target.dir))
	require.Equal(t, c.read("serial"), target.read("serial"))
	target.issue("next")
}

// TestDrawnOnceAndCountingNow: numbers that were drawn do not hide that the serial file is
// behind.
func TestDrawnOnceAndCountingNow(t *testing.T) {
	c := newLabCA(t)
	c.write("openssl.cnf", strings.Replace(labConfig, "unique_subject", "rand_serial = yes\nunique_subject", 1))
	c.issue("random")
	c.write("openssl.cnf", labConfig)
	target := c.copy(t)
	c.issue("four")
	b := c.capture(t, nil)
	require.Equal(t, "1004\n", c.read("serial"))
	apply(t, b, newRestorer(t, target.dir))
	require.Equal(t, "1068\n", target.read("serial"))
}

// TestOwner: what root makes belongs to the owner of the folder.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	original := newLabCA(t)
	b := original.capture(t, nil)
	target := none(t)
	require.NoError(t, os.Mkdir(target.dir, 0o750))
	require.NoError(t, os.Chown(target.dir, 1234, 1235))
	apply(t, b, newRestorer(t, target.dir))
	for _, name := range []string{"", "private", "private/cakey.pem", "index.txt"} {
		info, err := os.Stat(target.path(name))
		require.NoError(t, err)
		stat, ok := info.Sys().(*syscall.Stat_t)
		require.True(t, ok)
		require.Equal(t, []uint32{1234, 1235}, []uint32{stat.Uid, stat.Gid}, name)
	}
	info, err := os.Stat(target.dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o750), info.Mode().Perm())
}

// TestCheck names what would stop a write.
func TestCheck(t *testing.T) {
	original := newLabCA(t)
	b := original.capture(t, nil)
	check := func(t *testing.T, target *labCA, change func(*Restorer)) string {
		r := newRestorer(t, target.dir)
		want := wantOf(t, b, r)
		live, err := r.Live(t.Context(), want, nil)
		require.NoError(t, err)
		change(r)
		refusals, err := r.Check(t.Context(), []restore.Checked{{Want: want, Live: live, Action: restore.Create}}, nil)
		require.NoError(t, err)
		if len(refusals) == 0 {
			return ""
		}
		return refusals[0].Code
	}
	require.Empty(t, check(t, none(t), func(*Restorer) {}))
	require.Equal(t, "DISK_FULL", check(t, none(t), func(r *Restorer) { r.free = func(string) (uint64, error) { return spareBytes + 100, nil } }))
	target := original.copy(t)
	require.Equal(t, "CA_IN_USE", check(t, target, func(*Restorer) { target.issue("meanwhile") }))
	require.Equal(t, "CA_NO_PLACE", check(t, &labCA{t: t, dir: filepath.Join(t.TempDir(), "nowhere", "ca")}, func(*Restorer) {}))
	mount, err := isMountPoint("/proc")
	require.NoError(t, err)
	require.True(t, mount)
	closed := t.TempDir()
	require.NoError(t, os.Chmod(closed, 0o500))
	require.Equal(t, os.Geteuid() == 0, mayWrite(closed))
	r := newRestorer(t, none(t).dir)
	r.free = func(string) (uint64, error) { return 0, errors.New("broken") }
	want := wantOf(t, b, r)
	_, err = r.Check(t.Context(), []restore.Checked{{Want: want, Live: restore.State{Digest: restore.AbsentDigest}}}, nil)
	require.ErrorIs(t, err, fault.TargetFailed)
}

func TestNew(t *testing.T) {
	for _, dir := range []string{"", "/", "/.."} {
		_, err := New(dir, Options{})
		require.ErrorIs(t, err, fault.ConfigInvalid, dir)
	}
	_, err := New("/x", Options{Gap: -1})
	require.ErrorIs(t, err, fault.ConfigInvalid)
	r, err := New("x", Options{})
	require.NoError(t, err)
	require.True(t, filepath.IsAbs(r.dir))
	require.Equal(t, int64(DefaultGap), r.options.Gap)
}

// FuzzMergeIndex: whatever two indexes say, no row is lost, no revocation is taken back, and
// merging again changes nothing.
func FuzzMergeIndex(f *testing.F) {
	const row = "V\t300101000000Z\t\t05\tunknown\t/CN=a\n"
	f.Add([]byte(row), []byte(strings.Replace(row, "V\t300101000000Z\t", "R\t300101000000Z\t250101000000Z", 1)))
	f.Add([]byte(row[:20]), []byte(row))
	f.Add([]byte("x\n#\n"+row+row), []byte(strings.Replace(row, "05", "06", 1)))
	f.Add([]byte(""), []byte(row))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		x, y := parseIndex(a), parseIndex(b)
		merged, changed, clash := x.merge(y)
		if clash != "" {
			return
		}
		if !changed {
			require.Equal(t, string(a), string(merged))
		}
		again, changed, clash := parseIndex(merged).merge(parseIndex(b))
		require.Empty(t, clash)
		require.False(t, changed)
		require.Equal(t, string(merged), string(again))
		rows := map[openssl.Serial]bool{}
		require.NoError(t, openssl.ParseIndex(bytes.NewReader(merged), func(r openssl.Row) error { rows[r.Serial] = rows[r.Serial] || r.Status == 'R'; return nil }, func(*openssl.RowError) error { return nil }))
		for _, side := range [][]byte{a, b} {
			require.NoError(t, openssl.ParseIndex(bytes.NewReader(side), func(r openssl.Row) error {
				revoked, there := rows[r.Serial]
				require.True(t, there, "%s", r.Serial)
				require.True(t, revoked || r.Status != 'R', "%s", r.Serial)
				return nil
			}, func(*openssl.RowError) error { return nil }))
		}
	})
}

// FuzzRealPath: whatever a part calls a file, its place is in the folder.
func FuzzRealPath(f *testing.F) {
	for _, s := range []string{"ca/x", "ca/../x", "ca-renamed/%2e%2e", "ca-renamed/a~0", "x"} {
		f.Add(s, "../y")
	}
	f.Fuzz(func(t *testing.T, stored, name string) {
		if got, ok := realPath(stored, map[string]string{stored: name}); ok {
			require.True(t, filepath.IsLocal(got))
			require.NotEqual(t, ".", got)
			require.Equal(t, filepath.Clean(got), got)
		}
	})
}

// FuzzVerdict: journals and targets are read back, and what they say is never a crash.
func FuzzVerdict(f *testing.F) {
	w := &wanted{Gap: 1, contents: map[string][]byte{"index.txt": []byte("x"), "serial": []byte("01\n")}}
	for name, data := range w.contents {
		e := entry{Path: pathName(name)}
		e.inspect(data)
		w.Entries = append(w.Entries, e)
	}
	w.settle()
	body, err := encodeWanted(w)
	require.NoError(f, err)
	document, err := json.Marshal(document{Entries: w.Entries})
	require.NoError(f, err)
	back, err := encodePutBack(&putBack{ID: "x", Before: document, Numbers: map[string]string{"serial": "05"}})
	require.NoError(f, err)
	f.Add(body, document)
	f.Add(back, document)
	f.Add(body, []byte(`{"entries":[{"path":"serial","type":"file","kind":"private-key","keys":[]}]}`))
	f.Fuzz(func(t *testing.T, body, document []byte) {
		r := &Restorer{dir: "/x"}
		live := restore.State{Exists: true, Document: document, Digest: restore.Digest(document)}
		want := restore.Want{Key: folderKey(), Body: body}
		require.Equal(t, r.Verdict(want, live, nil), r.Verdict(want, live, nil))
		r.Inverse(want, live, restore.State{Digest: restore.AbsentDigest})
	})
}
