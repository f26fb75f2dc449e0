package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/settings"
	"infrabackup/tests/tier"
)

// backUp makes a backup and returns it.
func (o *operator) backUp() backup.Overview {
	o.t.Helper()
	done := into[backup.Overview](o.t, o.run("backup", "start", "--wait", "-o", "json"))
	require.Equal(o.t, backup.Succeeded, done.Status)
	return done
}

// newKey makes an operator's key in a file and returns its recipient.
func (o *operator) newKey(file string) string {
	o.t.Helper()
	return into[struct{ Recipient string }](o.t, o.run("key", "generate", "--out", o.file(file), "-o", "json")).Recipient
}

// folder is where a backup lies, as the file server sees it.
func (o *operator) folder(b backup.Overview) string {
	return filepath.Join(o.env["LAB_SHARE_DIR"], filepath.FromSlash(b.Path))
}

// opens reports whether stock age opens a backup's key with an operator's, and the
// backup's catalog with that.
func (o *operator) opens(b backup.Overview, key string) bool {
	o.t.Helper()
	own := filepath.Join(o.t.TempDir(), "backup.key")
	wrapped := filepath.Join(o.folder(b), backup.KeyFile)
	if exec.Command("age", "-d", "-i", o.file(key), "-o", own, wrapped).Run() != nil {
		return false
	}
	out, err := exec.Command("age", "-d", "-i", own, "-o", filepath.Join(o.t.TempDir(), "catalog"), filepath.Join(o.folder(b), backup.CatalogFile)).CombinedOutput()
	require.NoError(o.t, err, "%s", out)
	return true
}

// parts are the digests of what a replaced key must leave alone.
func (o *operator) parts(b backup.Overview) map[string]string {
	o.t.Helper()
	all := map[string]string{}
	names, err := filepath.Glob(filepath.Join(o.folder(b), "*.zst.age"))
	require.NoError(o.t, err)
	for _, name := range append(names, filepath.Join(o.folder(b), backup.ManifestFile)) {
		all[filepath.Base(name)] = readAll(o.t, name)
	}
	return all
}

func (o *operator) good() {
	o.t.Helper()
	audit := into[backup.Audit](o.t, o.run("backup", "verify", "--all", "-o", "json"))
	require.True(o.t, audit.Good(), "%+v", audit)
	require.True(o.t, audit.HeadKnown)
	require.Zero(o.t, audit.Foreign.Count, "%+v", audit.Foreign)
}

type rekeyedAnswer struct {
	Backups []struct {
		BackupID     backup.ID
		Result       string
		WrittenBytes int64
	}
}

// TestRewrap changes the key and lets it open all older backups too, on a real share,
// with the worker killed in between.
func TestRewrap(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	into[map[string]any](t, o.enable(nil))
	var all []backup.Overview
	parts := map[backup.ID]map[string]string{}
	count := tier.Size(0, 3, 50)
	for range count {
		b := o.backUp()
		all = append(all, b)
		parts[b.BackupID] = o.parts(b)
	}
	recipient := o.newKey("new.key")
	into[settings.Summary](t, o.run("key", "set", "--recipient", recipient, "-o", "json"))
	for _, b := range all {
		require.False(t, o.opens(b, "new.key"))
	}
	newest := o.backUp()
	require.True(t, o.opens(newest, "new.key"))
	require.False(t, o.opens(newest, "operator.key"))
	stranger := o.newKey("stranger.key")
	require.NotEmpty(t, stranger)
	require.Equal(t, fault.KeyDoesNotFit.Exit(), o.run("key", "rewrap", "--identity", o.file("stranger.key")).code)

	killed := make(chan answer)
	go func() { killed <- o.run("key", "rewrap", "--identity", o.file("operator.key"), "-o", "json") }()
	require.Eventually(t, func() bool {
		entries, err := filepath.Glob(filepath.Join(o.env["LAB_SHARE_DIR"], o.instance, backup.LedgerDir, "*.entry"))
		return err == nil && len(entries) > 1+count+1+count/5 // begun, all created, some rewrapped
	}, time.Minute, time.Millisecond)
	o.kill()
	for _, b := range all { // at this moment, whatever it is
		next := filepath.Join(o.folder(b), backup.KeyFile+backup.NextSuffix)
		old := o.opens(b, "operator.key")
		_, err := os.Stat(next)
		require.True(t, old || o.opens(b, "new.key") || err == nil, "%s has no key", b.Path)
	}
	o.startWorker()
	first := <-killed
	require.Zero(t, first.code, "%s%s", first.stdout, first.stderr)

	began := time.Now()
	again := into[rekeyedAnswer](t, o.run("key", "rewrap", "--identity", o.file("operator.key"), "-o", "json"))
	t.Logf("a second rewrap of %d backups, which had nothing to do, took %s", len(again.Backups), time.Since(began).Round(time.Millisecond))
	for _, b := range again.Backups {
		require.Equal(t, "already", b.Result)
	}
	newKey := into[settings.Summary](t, o.run("settings", "show", "-o", "json")).Recipients[0].Recipient
	shown := into[backup.Overview](t, o.run("backup", "show", string(all[0].BackupID), "-o", "json"))
	require.Equal(t, []backup.Recipient{newKey}, shown.Recipients)
	for _, b := range all {
		require.True(t, o.opens(b, "new.key"), b.Path)
		require.False(t, o.opens(b, "operator.key"), b.Path)
		require.Equal(t, parts[b.BackupID], o.parts(b), "only the key and the sums change")
	}
	o.good()

	third := o.newKey("third.key")
	into[settings.Summary](t, o.run("key", "set", "--recipient", third, "-o", "json"))
	began = time.Now()
	done := into[rekeyedAnswer](t, o.run("key", "rewrap", "--identity", o.file("new.key"), "-o", "json"))
	most := int64(0)
	for _, b := range done.Backups {
		require.Equal(t, "rewrapped", b.Result)
		most = max(most, b.WrittenBytes)
	}
	t.Logf("%d backups were rewrapped in %s, at most %d bytes were written for one", len(done.Backups), time.Since(began).Round(time.Millisecond), most)
	require.LessOrEqual(t, most, int64(16<<10))
	require.Len(t, done.Backups, count+1)
	tier.Tried(t, "backups with a replaced key", int64(len(done.Backups)))
	o.good()

	// What lies beside a backup is removed, and an earlier state is not taken for the newest.
	key := filepath.Join(o.folder(all[0]), backup.KeyFile)
	earlier := o.replaced(all[1])
	fourth := o.newKey("fourth.key")
	into[settings.Summary](t, o.run("key", "set", "--recipient", third, "--recipient", fourth, "-o", "json"))
	into[rekeyedAnswer](t, o.run("key", "rewrap", "--identity", o.file("third.key"), "-o", "json"))
	o.good()
	require.NoError(t, os.WriteFile(key+backup.NextSuffix, []byte(readAll(t, key)), 0o600))
	require.Equal(t, fault.ExitDamaged, o.run("backup", "verify", string(all[0].BackupID)).code)
	done = into[rekeyedAnswer](t, o.run("key", "rewrap", "--identity", o.file("third.key"), "-o", "json"))
	require.Equal(t, "cleared", done.of(all[0]))
	require.Equal(t, "already", done.of(all[1]))
	o.good()
	ours := o.replaced(all[1])
	o.put(all[1], earlier)
	require.NoError(t, os.WriteFile(filepath.Join(o.folder(all[1]), backup.KeyFile+backup.NextSuffix), nil, 0o600))
	back := o.run("backup", "verify", string(all[1].BackupID))
	require.Equal(t, fault.ExitDamaged, back.code)
	require.Contains(t, back.stdout, fault.BackupRolledBack)
	back = o.run("key", "rewrap", "--identity", o.file("third.key"))
	require.Equal(t, fault.ExitDamaged, back.code)
	require.Contains(t, back.stdout, "earlier state")
	o.put(all[1], ours)
	require.Zero(t, o.run("key", "rewrap", "--identity", o.file("third.key")).code)
	o.good()
}

// of is what became of one backup.
func (r rekeyedAnswer) of(b backup.Overview) string {
	for _, one := range r.Backups {
		if one.BackupID == b.BackupID {
			return one.Result
		}
	}
	return ""
}

// replaced reads the files of a backup that replacing its key replaces, and put writes
// them.
func (o *operator) replaced(b backup.Overview) map[string]string {
	files := map[string]string{}
	for _, name := range []string{backup.KeyFile, backup.SumsFile, backup.SignatureFile} {
		files[name] = readAll(o.t, filepath.Join(o.folder(b), name))
	}
	return files
}

func (o *operator) put(b backup.Overview, files map[string]string) {
	for name, data := range files {
		require.NoError(o.t, os.WriteFile(filepath.Join(o.folder(b), name), []byte(data), 0o600))
	}
}

// TestRevoke re-encrypts what a stolen key could have opened.
func TestRevoke(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	stolen := into[settings.Summary](t, o.enable(nil)).Recipients[0].Fingerprint
	first, second := o.backUp(), o.backUp()
	copied := filepath.Join(o.folder(first), backup.KeyFile)
	thief := o.file("copied-key.age")
	require.NoError(t, os.WriteFile(thief, []byte(readAll(t, copied)), 0o600))
	own := o.file("stolen-backup.key")
	require.NoError(t, exec.Command("age", "-d", "-i", o.file("operator.key"), "-o", own, thief).Run())
	require.NoError(t, exec.Command("age", "-d", "-i", own, "-o", o.file("x1"), filepath.Join(o.folder(first), "ca.tar.zst.age")).Run())

	o.refused(o.run("key", "revoke", "--compromised", stolen, "--identity", o.file("operator.key"), "-o", "json"), fault.Usage)
	into[settings.Summary](t, o.run("key", "set", "--recipient", o.newKey("new.key"), "-o", "json"))
	earlier := o.replaced(second)
	into[rekeyedAnswer](t, o.run("key", "rewrap", "--identity", o.file("operator.key"), "-o", "json"))
	require.NoError(t, exec.Command("age", "-d", "-i", own, "-o", o.file("x2"), filepath.Join(o.folder(first), "ca.tar.zst.age")).Run(), "rewrapping does not help against a copy")

	before := o.extracted(first, "new.key")
	ours := o.replaced(second)
	o.put(second, earlier)
	back := o.run("key", "revoke", "--compromised", stolen, "--identity", o.file("new.key"))
	require.Equal(t, fault.ExitDamaged, back.code, back.stderr)
	require.Contains(t, back.stdout, "earlier state")
	require.NotContains(t, back.stderr, "--identity naming", "the stolen key is not asked for")
	o.put(second, ours)

	done := into[rekeyedAnswer](t, o.run("key", "revoke", "--compromised", stolen, "--identity", o.file("new.key"), "-o", "json"))
	require.Len(t, done.Backups, 2)
	require.Equal(t, "already", done.of(first), "the run before has done it")
	require.Equal(t, "reencrypted", done.of(second))
	require.Error(t, exec.Command("age", "-d", "-i", own, "-o", o.file("x3"), filepath.Join(o.folder(first), "ca.tar.zst.age")).Run())
	for _, b := range []backup.Overview{first, second} {
		require.True(t, o.opens(b, "new.key"))
		require.False(t, o.opens(b, "operator.key"))
		deep := into[backup.Verdict](t, o.run("backup", "verify", string(b.BackupID), "--identity", o.file("new.key"), "-o", "json"))
		require.Empty(t, deep.Findings)
	}
	require.Equal(t, before, o.extracted(first, "new.key"))
	o.good()
	again := into[rekeyedAnswer](t, o.run("key", "revoke", "--compromised", stolen, "--identity", o.file("new.key"), "-o", "json"))
	for _, b := range again.Backups {
		require.Equal(t, "already", b.Result)
	}
}

// extracted is a backup's content as "restore extract" writes it.
func (o *operator) extracted(b backup.Overview, key string) map[string]string {
	o.t.Helper()
	to := o.t.TempDir()
	a := o.run("restore", "extract", string(b.BackupID), "--identity", o.file(key), "--to", to)
	require.Zero(o.t, a.code, a.stderr)
	all := map[string]string{}
	require.NoError(o.t, filepath.WalkDir(to, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			all[strings.TrimPrefix(path, to)] = readAll(o.t, path)
		}
		return err
	}))
	require.NotEmpty(o.t, all)
	return all
}

// TestKinds gives every kind of key that is taken, several at once, and every kind that
// is refused.
func TestKinds(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	into[map[string]any](t, o.enable(nil))
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	o.certificate("rsa", rsaKey, time.Now().Add(10*24*time.Hour))
	o.write("symmetric", base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)))

	set := o.run("key", "set", "--certificate", o.file("rsa.cer"), "--key-file", o.file("symmetric"), "--recipient", o.newKey("escrow.key"), "-o", "json")
	require.Len(t, into[settings.Summary](t, set).Recipients, 3)
	require.Contains(t, set.stderr, "expires on")
	b := o.backUp()
	require.True(t, o.opens(b, "rsa.pem"), "the certificate's PEM key opens with stock age")
	require.True(t, o.opens(b, "escrow.key"))
	require.False(t, o.opens(b, "operator.key"))
	for _, key := range []string{"rsa.pem", "symmetric", "escrow.key"} {
		require.Empty(t, into[backup.Verdict](t, o.run("backup", "verify", "latest", "--identity", o.file(key), "-o", "json")).Findings)
	}

	o.write("short", base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 31)))
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	o.certificate("ec", ecKey, time.Now().Add(time.Hour))
	o.certificate("expired", rsaKey, time.Now().Add(-time.Hour))
	typo := []byte(o.recipient) // another letter of Bech32, which knows no i
	if end := len(typo) - 1; typo[end] == 'q' {
		typo[end] = 'p'
	} else {
		typo[end] = 'q'
	}
	for name, c := range map[string]struct {
		args   []string
		reason string
	}{
		"symmetric key of 31 bytes": {[]string{"--key-file", o.file("short")}, "32"},
		"EC certificate":            {[]string{"--certificate", o.file("ec.cer")}, "only RSA"},
		"expired certificate":       {[]string{"--certificate", o.file("expired.cer")}, "expired at"},
		"bad checksum":              {[]string{"--recipient", string(typo)}, "checksum"},
	} {
		a := o.run(append([]string{"key", "set", "-o", "json"}, c.args...)...)
		o.refused(a, fault.KeyInvalid)
		require.Contains(t, a.stdout, c.reason, name)
	}
	require.True(t, o.opens(o.backUp(), "escrow.key"), "what was active stays so")
}

// certificate writes a self-signed certificate and its key.
func (o *operator) certificate(name string, key any, until time.Time) {
	o.t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: until.Add(-48 * 24 * time.Hour), NotAfter: until}
	var public any
	switch key := key.(type) {
	case *rsa.PrivateKey:
		public = key.Public()
	case *ecdsa.PrivateKey:
		public = key.Public()
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	require.NoError(o.t, err)
	o.write(name+".cer", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(o.t, err)
	o.write(name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// TestKeyProof lets a key be proven in two steps with stock age, and in one.
func TestKeyProof(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	enabled := into[settings.Summary](t, o.enable(nil))
	require.True(t, enabled.Recipients[0].ProvenAt.IsZero())
	require.Contains(t, o.run("settings", "show").stdout, "never proven")

	require.Zero(t, o.run("key", "prove", "--out", o.file("challenges")).code)
	printed, err := exec.Command("age", "-d", "-i", o.file("operator.key"), o.file("challenges/challenge-1.age")).Output()
	require.NoError(t, err)
	o.write("answer", string(printed))
	o.write("wrong", "infrabackup-proof-"+strings.Repeat("a", 32))
	o.refused(o.run("key", "prove", "--answer", o.file("wrong"), "-o", "json"), fault.ProofRefused)
	require.Zero(t, o.run("key", "prove", "--answer", o.file("answer")).code)
	o.refused(o.run("key", "prove", "--answer", o.file("answer"), "-o", "json"), fault.ProofRefused)
	shown := into[settings.Summary](t, o.run("settings", "show", "-o", "json"))
	require.WithinDuration(t, time.Now(), shown.Recipients[0].ProvenAt, time.Minute)

	require.Zero(t, o.run("key", "prove", "--identity", o.file("operator.key")).code)
	o.newKey("stranger.key")
	o.refused(o.run("key", "prove", "--identity", o.file("stranger.key"), "-o", "json"), fault.KeyDoesNotFit)
	require.Contains(t, o.run("settings", "history").stdout, "was proven")
}

// TestSigningKeyRotation signs with a new key; what the old one signed stays good.
func TestSigningKeyRotation(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	before := into[settings.Summary](t, o.enable(nil)).SigningKey
	first := o.backUp()
	rotated := into[settings.Summary](t, o.run("key", "rotate-signing", "-o", "json"))
	require.NotEqual(t, before, rotated.SigningKey)
	require.Equal(t, []string{before}, rotated.FormerSigners)
	second := o.backUp()
	for _, b := range []backup.Overview{first, second} {
		require.Empty(t, into[backup.Verdict](t, o.run("backup", "verify", string(b.BackupID), "-o", "json")).Findings)
		stock := exec.Command("bash", "-c", "ssh-keygen -Y verify -f ../../allowed_signers -I infrabackup -n infrabackup -s SHA256SUMS.sig < SHA256SUMS")
		stock.Dir = o.folder(b)
		out, err := stock.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	o.good()
}

// verdicts verifies one backup by a worker, with a key by the command line, and from a
// folder with nothing but what an operator wrote down.
func (o *operator) verdicts(b backup.Overview, key string) []backup.Verdict {
	o.t.Helper()
	head := into[settings.Summary](o.t, o.run("settings", "show", "-o", "json")).Ledger.String()
	var all []backup.Verdict
	for _, way := range [][]string{{}, {"--identity", o.file(key)}, {"--from", o.env["LAB_SHARE_DIR"], "--ledger-head", head}} {
		a := o.run(append([]string{"backup", "verify", string(b.BackupID), "-o", "json"}, way...)...)
		var verdict backup.Verdict
		require.NoError(o.t, json.Unmarshal([]byte(a.stdout), &verdict), "%s%s", a.stdout, a.stderr)
		require.Equal(o.t, len(verdict.Findings) > 0, a.code == fault.ExitDamaged, "%v %d", way, a.code)
		require.True(o.t, verdict.Ledger.HeadKnown, "%v", way)
		all = append(all, verdict)
	}
	return all
}

// TestOneBackupIsComparedWithTheLedger puts backups back that are whole and signed: only
// the ledger tells that they are not what should be there.
func TestOneBackupIsComparedWithTheLedger(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	into[map[string]any](t, o.enable(nil))
	first, second := o.backUp(), o.backUp()
	before, rewrapped := filepath.Join(t.TempDir(), "before"), filepath.Join(t.TempDir(), "rewrapped")
	require.NoError(t, os.CopyFS(before, os.DirFS(o.folder(first))))
	into[settings.Summary](t, o.run("key", "set", "--recipient", o.newKey("new.key"), "-o", "json"))
	into[rekeyedAnswer](t, o.run("key", "rewrap", "--identity", o.file("operator.key"), "-o", "json"))
	require.NoError(t, os.CopyFS(rewrapped, os.DirFS(o.folder(first))))
	put := func(from string, b backup.Overview) {
		require.NoError(t, os.RemoveAll(o.folder(b)))
		require.NoError(t, os.CopyFS(o.folder(b), os.DirFS(from)))
	}
	expect := func(b backup.Overview, key string, code fault.Code) {
		t.Helper()
		for _, v := range o.verdicts(b, key) {
			require.Len(t, v.Findings, 1, "%+v", v.Findings)
			require.Equal(t, string(code), v.Findings[0].Code)
		}
	}
	for _, v := range o.verdicts(first, "new.key") {
		require.Empty(t, v.Findings)
	}
	put(before, first)
	expect(first, "operator.key", fault.BackupRolledBack)
	for _, v := range o.verdicts(second, "new.key") {
		require.Empty(t, v.Findings, "what happened to another backup is none of it")
	}
	put(rewrapped, first)

	into[backup.Overview](t, o.run("backup", "delete", string(first.BackupID), "--yes", "-o", "json"))
	o.refused(o.run("backup", "verify", string(first.BackupID), "-o", "json"), fault.BackupNotFound)
	put(rewrapped, first)
	expect(first, "new.key", fault.BackupRolledBack)
	require.NoError(t, os.RemoveAll(o.folder(first)))

	newest, err := filepath.Glob(filepath.Join(o.env["LAB_SHARE_DIR"], o.instance, backup.LedgerDir, "*.entry"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(newest[len(newest)-1]))
	expect(second, "new.key", fault.LedgerRolledBack)
}
