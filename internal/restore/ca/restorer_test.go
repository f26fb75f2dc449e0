package ca

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/restoretest"
)

// drift makes a CA go on after its backup: it issued and revoked, lost a certificate and
// its key, and somebody changed the configuration and keeps a log there.
func (c *labCA) drift() {
	c.issue("later")
	c.revoke("1000")
	c.crl()
	c.remove("newcerts/1002.pem")
	c.remove("private/cakey.pem")
	c.write("openssl.cnf", strings.Replace(labConfig, "default_days  = 30", "default_days  = 31", 1))
	c.write("ca.log", "signed\n")
}

// world is a backup with a target.
func world(t *testing.T, b *captured, target *labCA, later func()) restoretest.World {
	return restoretest.World{Source: b.source(), Restorer: newRestorer(t, target.dir),
		State: func() string { return dump(t, target.dir) },
		Move:  func() { target.write("newcerts/2000.pem", "not there before") },
		Kept: func(t *testing.T) {
			if later != nil {
				later()
			}
		},
	}
}

func TestConformance(t *testing.T) {
	original := newLabCA(t)
	b := original.capture(t, nil)
	drifted := original.copy(t)
	drifted.drift()
	restoretest.Run(t, restoretest.Suite{
		Empty: func(t *testing.T) restoretest.World { return world(t, b, none(t), nil) },
		Drifted: func(t *testing.T) restoretest.World {
			target := drifted.copy(t)
			w := world(t, b, target, func() {
				require.Contains(t, target.read("index.txt"), "/CN=later")
				require.Equal(t, drifted.read("newcerts/1003.pem"), target.read("newcerts/1003.pem"))
				require.Equal(t, "signed\n", target.read("ca.log"))
			})
			w.Move = target.issueMeanwhile
			return w
		},
	})
}

// issueMeanwhile changes the index as `openssl ca` does.
func (c *labCA) issueMeanwhile() {
	c.write("index.txt", c.read("index.txt")+"V\t400101000000Z\t\t1004\tunknown\t/CN=meanwhile\n")
}

// apply writes what a backup wants, without the engine.
func apply(t *testing.T, b *captured, r restore.Restorer) (restore.Verdict, restore.State) {
	t.Helper()
	want := wantOf(t, b, r)
	live, err := r.Live(t.Context(), want, nil)
	require.NoError(t, err)
	v := r.Verdict(want, live, nil)
	require.Nil(t, v.Refused)
	refusals, err := r.Check(t.Context(), []restore.Checked{{Want: want, Live: live, Action: v.Action}}, nil)
	require.NoError(t, err)
	require.Empty(t, refusals)
	require.NoError(t, r.Write(t.Context(), want, v, live, nil))
	after, err := r.Live(t.Context(), want, nil)
	require.NoError(t, err)
	require.True(t, r.Verdict(want, after, nil).Same)
	return v, live
}

func wantOf(t testing.TB, b *captured, r restore.Restorer) restore.Want {
	t.Helper()
	var items []restore.Item
	for _, item := range b.items() {
		if r.Group(item.CatalogEntry) == wantID {
			items = append(items, item)
		}
	}
	wants, _, err := r.Wants(items, nil)
	require.NoError(t, err)
	require.Len(t, wants, 1)
	return wants[0]
}

// TestEmptyFolder: everything comes back, and the CA goes on where nothing was used.
func TestEmptyFolder(t *testing.T) {
	original := newLabCA(t)
	b := original.capture(t, nil)
	for name, make := range map[string]func(*labCA){"missing": func(*labCA) {}, "empty": func(c *labCA) { require.NoError(t, os.Mkdir(c.dir, 0o750)) }} {
		t.Run(name, func(t *testing.T) {
			target := none(t)
			make(target)
			r := newRestorer(t, target.dir)
			fingerprint, err := r.Fingerprint(t.Context())
			require.NoError(t, err)
			require.Empty(t, fingerprint)
			v, _ := apply(t, b, r)
			require.Equal(t, restore.Create, v.Action)
			for _, file := range []string{"index.txt", "openssl.cnf", "private/cakey.pem", "cacert.pem", "newcerts/1000.pem", "newcerts/1001.pem", "newcerts/1002.pem", "crl.pem", "README", "requests/one.csr", "index.txt.attr", "index.txt.old"} {
				require.Equal(t, original.read(file), target.read(file), file)
			}
			key, err := os.Stat(target.path("private/cakey.pem"))
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), key.Mode().Perm())
			folder, err := os.Stat(target.path("private"))
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o700), folder.Mode().Perm())
			require.Equal(t, "1067\n", target.read("serial"), "0x1003 and a gap of 100")

			fingerprint, err = r.Fingerprint(t.Context())
			require.NoError(t, err)
			der := original.openssl("x509", "-in", "cacert.pem", "-outform", "DER")
			require.Equal(t, restore.Digest([]byte(der)), fingerprint)
			require.Equal(t, "1067", target.issue("next"))
			number, text := target.crl()
			require.Greater(t, number, int64(1))
			require.Contains(t, text, "Serial Number: 1001")
		})
	}
}

// TestUnion: what either side has is there.
func TestUnion(t *testing.T) {
	original := newLabCA(t)
	b := original.capture(t, nil)
	target := original.copy(t)
	target.drift()
	serial, index := target.read("serial"), target.read("index.txt")
	r := newRestorer(t, target.dir)
	v, _ := apply(t, b, r)
	require.Equal(t, restore.Update, v.Action)
	require.Equal(t, []string{"newcerts/1002.pem", "openssl.cnf", "private/cakey.pem"}, v.Fields)
	require.Equal(t, serial, target.read("serial"), "it is ahead")
	require.Equal(t, index, target.read("index.txt"))
	require.Equal(t, "1004", target.issue("next"))
	number, text := target.crl()
	require.Equal(t, int64(3), number)
	require.Contains(t, text, "Serial Number: 1000")
	require.Contains(t, text, "Serial Number: 1001")
}

// TestRolledBack: a folder that is older than the backup gets what it lacks, and goes on
// behind both.
func TestRolledBack(t *testing.T) {
	old := newLabCA(t)
	target := old.copy(t)
	old.issue("four")
	old.revoke("1000")
	old.crl()
	old.crl()
	b := old.capture(t, nil)
	target.write("index.txt", "this row makes no sense\n"+target.read("index.txt"))
	v, _ := apply(t, b, newRestorer(t, target.dir))
	require.Equal(t, restore.PartlyReversible, v.Reversible.Grade)
	require.True(t, strings.HasPrefix(target.read("index.txt"), "this row makes no sense\n"), "it stays as it is")
	require.Equal(t, "1068\n", target.read("serial"))
	require.Equal(t, "68\n", target.read("crlnumber"), "4 and a gap of 100")
	target.write("index.txt", strings.TrimPrefix(target.read("index.txt"), "this row makes no sense\n"))
	require.Equal(t, "1068", target.issue("next"))
	number, text := target.crl()
	require.Equal(t, int64(0x68), number)
	require.Contains(t, text, "Serial Number: 1000")
}

// TestNumbersNeverGoBack: whatever shows that a number was used counts.
func TestNumbersNeverGoBack(t *testing.T) {
	original := newLabCA(t)
	for name, test := range map[string]struct {
		backup, live func(*labCA)
		serial, crl  string
	}{
		"the target's file is behind": {live: func(c *labCA) { c.write("serial", "1000\n") }, serial: "1067", crl: "02"},
		"neither has a serial file":   {backup: func(c *labCA) { c.remove("serial") }, live: func(c *labCA) { c.remove("serial") }, serial: "1067", crl: "02"},
		"nor a number of the CRL":     {backup: func(c *labCA) { c.remove("crlnumber") }, live: func(c *labCA) { c.remove("crlnumber") }, serial: "1003", crl: "66"},
		"a certificate without a row": {live: func(c *labCA) {
			index := c.read("index.txt")
			c.write("serial", "1009\n")
			c.issue("rowless")
			c.write("index.txt", index)
			c.write("serial", "1003\n")
		}, serial: "106E", crl: "02"},
		"a row that makes no sense": {live: func(c *labCA) { c.write("index.txt", c.read("index.txt")+"V\tx\t\t1009\tunknown\t/CN=odd\n") }, serial: "106E", crl: "02"},
		"a CRL beside the database": {live: func(c *labCA) { c.crl(); c.crl(); c.write("crlnumber", "02\n") }, serial: "1003", crl: "68"},
	} {
		t.Run(name, func(t *testing.T) {
			source, target := original.copy(t), original.copy(t)
			source.t, target.t = t, t
			if test.backup != nil {
				test.backup(source)
			}
			test.live(target)
			b := source.capture(t, nil)
			apply(t, b, newRestorer(t, target.dir))
			require.Equal(t, test.serial+"\n", target.read("serial"))
			require.Equal(t, test.crl+"\n", target.read("crlnumber"))
		})
	}
}

// TestRefused causes every refusal of a live folder, and nothing is written.
func TestRefused(t *testing.T) {
	original := newLabCA(t)
	b := original.capture(t, nil)
	other := newLabCA(t)
	for name, test := range map[string]struct {
		change func(*labCA)
		code   string
	}{
		"another CA":          {func(c *labCA) { c.remove(""); require.NoError(t, os.CopyFS(c.dir, os.DirFS(other.dir))) }, "CA_OTHER"},
		"another certificate": {func(c *labCA) { c.write("cacert.pem", other.read("cacert.pem")) }, "CA_OTHER"},
		"another key":         {func(c *labCA) { c.write("private/cakey.pem", other.read("private/cakey.pem")) }, "CA_OTHER"},
		"something else":      {func(c *labCA) { c.remove(""); c.write("index.txt", "") }, "CA_UNKNOWN"},
		"a file":              {func(c *labCA) { c.remove(""); require.NoError(t, os.WriteFile(c.dir, nil, 0o600)) }, "CA_NOT_A_FOLDER"},
		"a link":              {func(c *labCA) { c.remove(""); require.NoError(t, os.Symlink(original.dir, c.dir)) }, "CA_NOT_A_FOLDER"},
		"index is a link": {func(c *labCA) {
			c.remove("index.txt")
			require.NoError(t, os.Symlink("/etc/passwd", c.path("index.txt")))
		}, "CA_PLACE_TAKEN"},
		"serial is a link":         {func(c *labCA) { c.remove("serial"); require.NoError(t, os.Symlink("crlnumber", c.path("serial"))) }, "CA_PLACE_TAKEN"},
		"newcerts is a link":       {func(c *labCA) { c.remove("newcerts"); require.NoError(t, os.Symlink("/tmp", c.path("newcerts"))) }, "CA_PLACE_TAKEN"},
		"a folder for a file":      {func(c *labCA) { c.remove("crl.pem"); require.NoError(t, os.Mkdir(c.path("crl.pem"), 0o700)) }, "CA_PLACE_TAKEN"},
		"a file for a folder":      {func(c *labCA) { c.remove("private"); c.write("private", "x") }, "CA_PLACE_TAKEN"},
		"serial is no number":      {func(c *labCA) { c.write("serial", "next\n") }, "CA_NUMBER_MALFORMED"},
		"serial is empty":          {func(c *labCA) { c.write("serial", "") }, "CA_NUMBER_MALFORMED"},
		"CRL number is no number":  {func(c *labCA) { c.write("crlnumber", "0x1\n") }, "CA_NUMBER_MALFORMED"},
		"database elsewhere":       {func(c *labCA) { c.remove("index.txt"); c.remove("openssl.cnf"); c.write("demoCA/index.txt", "") }, "CA_LAYOUT"},
		"rolled back and went on":  {func(c *labCA) { c.rollBack(); c.issue("other") }, "CA_SERIAL_CLASH"},
		"index of another history": {func(c *labCA) { c.write("index.txt", strings.Replace(c.read("index.txt"), "/CN=one", "/CN=eins", 1)) }, "CA_SERIAL_CLASH"},
		"two of a subject": {func(c *labCA) {
			c.write("index.txt", strings.Replace(c.read("index.txt"), "\t1000\t", "\t1007\t", 1))
			c.write("index.txt.attr", "unique_subject = yes\n")
		}, "CA_SUBJECT_CLASH"},
	} {
		t.Run(name, func(t *testing.T) {
			target := original.copy(t)
			target.t = t
			test.change(target)
			before := dump(t, target.dir)
			r := newRestorer(t, target.dir)
			want := wantOf(t, b, r)
			live, err := r.Live(t.Context(), want, nil)
			require.NoError(t, err)
			v := r.Verdict(want, live, nil)
			require.NotNil(t, v.Refused)
			require.Equal(t, test.code, v.Refused.Code, v.Refused.Detail)
			if test.code != "CA_NOT_A_FOLDER" {
				require.Error(t, r.Write(t.Context(), want, v, live, nil), "not even when it is asked to")
			}
			require.Equal(t, before, dump(t, target.dir))
			require.Len(t, siblings(t, target), 1)
		})
	}
}

// rollBack is what a snapshot of the folder does.
func (c *labCA) rollBack() {
	rows := strings.SplitAfter(c.read("index.txt"), "\n")
	c.write("index.txt", rows[0])
	c.write("serial", "1001\n")
	c.remove("newcerts/1001.pem")
	c.remove("newcerts/1002.pem")
}

// siblings are the names beside a CA's folder.
func siblings(t testing.TB, c *labCA) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(c.dir))
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

type directory struct{}

func (directory) ADCS(_ context.Context, fn func(string, []byte) error) error {
	return fn("CN=AIA,CN=Public Key Services", []byte(`{}`))
}

// TestDirectoryObjectsAreLosses: they are not the folder's.
func TestDirectoryObjectsAreLosses(t *testing.T) {
	original := newLabCA(t)
	b := original.capture(t, directory{})
	r := newRestorer(t, none(t).dir)
	for _, item := range b.items() {
		if item.Kind != kindADCS {
			continue
		}
		require.NotEqual(t, wantID, r.Group(item.CatalogEntry))
		wants, losses, err := r.Wants([]restore.Item{item}, nil)
		require.NoError(t, err)
		require.Empty(t, wants)
		require.Equal(t, restore.Key{Service: backup.CA, Kind: kindADCS, ID: "cn=aia,cn=public key services"}, losses[0].Key)
		require.Equal(t, "CA_ADCS_OBJECT", losses[0].Code)
		return
	}
	t.Fatal("the backup has no object of the directory")
}
