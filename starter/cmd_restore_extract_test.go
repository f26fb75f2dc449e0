package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
)

func TestExtractByTrustedSigners(t *testing.T) {
	for name, row := range map[string]struct {
		do      func(f *frozen)
		code    fault.Code // with the trusted list
		without fault.Code // without one: age alone says what is damaged
		begun   bool       // something was written before that was seen
	}{
		"nothing changed": {do: func(*frozen) {}, begun: true},
		"signed by a stranger whom the share trusts": {
			do: func(f *frozen) { f.sign(stranger(f.t)) }, code: fault.BackupForged,
		},
		"without a signature": {
			do:   func(f *frozen) { require.NoError(f.t, os.Remove(filepath.Join(f.backup, backup.SignatureFile))) },
			code: fault.BackupForged,
		},
		"without sums": {
			do:   func(f *frozen) { require.NoError(f.t, os.Remove(filepath.Join(f.backup, backup.SumsFile))) },
			code: fault.BackupDamaged,
		},
		"a part that opens and is forged": {do: (*frozen).forge, code: fault.BackupDamaged, begun: true},
		"a part that is damaged": {
			do:   func(f *frozen) { f.change(backup.PartFile(backup.CA)) },
			code: fault.BackupDamaged, without: fault.BackupDamaged, begun: true,
		},
		"a part for somebody else's key": {
			do: func(f *frozen) {
				data, err := os.ReadFile(filepath.Join(f.backup, backup.KeyFile))
				require.NoError(f.t, err)
				require.NoError(f.t, os.WriteFile(filepath.Join(f.backup, backup.PartFile(backup.CA)), data, 0o600))
			},
			code: fault.BackupDamaged, without: fault.KeyDoesNotFit, begun: true,
		},
		"another key file": {
			do: func(f *frozen) {
				name := filepath.Join(f.backup, backup.KeyFile)
				data, err := os.ReadFile(name)
				require.NoError(f.t, err)
				require.NoError(f.t, os.WriteFile(name, append(data, '\n'), 0o600))
			},
			code: fault.BackupDamaged, without: fault.BackupDamaged,
		},
		"another manifest": {
			do: func(f *frozen) {
				name := filepath.Join(f.backup, backup.ManifestFile)
				data, err := os.ReadFile(name)
				require.NoError(f.t, err)
				require.NoError(f.t, os.WriteFile(name, append(data, '\n'), 0o600))
			},
			code: fault.BackupDamaged,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := thaw(t)
			row.do(f)
			to := filepath.Join(t.TempDir(), "out")
			out := f.extract(to, "--service", "CA", "--allowed-signers", f.trusted())
			if row.code == "" {
				require.Zero(t, out.code, out.stderr)
			} else {
				require.Equal(t, row.code.Exit(), out.code, out.stderr)
				require.Contains(t, out.stderr, string(row.code)+": ")
			}
			_, err := os.Stat(to)
			require.Equal(t, row.begun, err == nil)

			out = f.extract(filepath.Join(t.TempDir(), "out"), "--service", "CA")
			if row.without == "" {
				require.Zero(t, out.code, out.stderr)
			} else {
				require.Contains(t, out.stderr, string(row.without)+": ")
			}
		})
	}
}

func TestExtractNamesWhatIsNotToBeReliedOn(t *testing.T) {
	f := thaw(t)
	f.forge()
	to := filepath.Join(t.TempDir(), "out")
	out := f.extract(to, "--allowed-signers", f.trusted())
	require.Equal(t, fault.ExitDamaged, out.code)
	require.Contains(t, out.stderr, "1 files in "+filepath.Join(to, "CA")+" come from a part that is damaged")
	require.NotContains(t, out.stderr, filepath.Join(to, "AD"))
}

// TestOneItemByTrustedSigners: its catalog is signed, and says what the item is.
func TestOneItemByTrustedSigners(t *testing.T) {
	f := thaw(t)
	list := f.call("restore extract", "--service", "CA", "--list", "-o", "json", "--allowed-signers", f.trusted())
	require.Zero(t, list.code, list.stderr)
	var entries []backup.CatalogEntry
	require.NoError(t, json.Unmarshal([]byte(list.stdout), &entries))
	require.NotEmpty(t, entries)
	one := []string{"--service", "CA", "--item", entries[0].ID, "--allowed-signers", f.trusted()}
	out := f.extract(t.TempDir(), one...)
	require.Zero(t, out.code, out.stderr)
	f.forge()
	out = f.extract(t.TempDir(), one...)
	require.Equal(t, fault.ExitDamaged, out.code, out.stderr)
	thawed := thaw(t)
	thawed.change(backup.CatalogFile)
	out = thawed.extract(t.TempDir(), one...)
	require.Equal(t, fault.ExitDamaged, out.code, out.stderr)
}

// office is a controller whose settings name the share and the keys that signed there.
type office struct {
	controller
	signing settings.Signing
}

// Settings implements controller.
func (o office) Settings(context.Context) (settings.Settings, error) {
	return settings.Settings{Signing: o.signing}, nil
}

// extractConfigured extracts the CA from the share of the settings.
func (f *frozen) extractConfigured(to string, more ...string) outcome {
	f.t.Helper()
	list, err := os.ReadFile(f.trusted())
	require.NoError(f.t, err)
	keys, err := seal.ParseAllowedSigners(list)
	require.NoError(f.t, err)
	o := office{signing: settings.Signing{Public: keys[0], Former: keys[1:]}}
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), process{
		args:  slices.Concat([]string{"restore", "extract", frozenBackup, "--instance", frozenInstance, "--identity", f.key, "--service", "CA", "--to", to}, more),
		stdin: &bytes.Buffer{}, stdout: &stdout, stderr: &stderr,
		lookup:  func(string) (string, bool) { return "", false },
		connect: func(context.Context) (controller, func(), error) { return o, func() {}, nil },
		mount:   func(context.Context, settings.Settings) (share.Store, error) { return dir.Open(f.folder) },
	})
	return outcome{code, stdout.String(), stderr.String()}
}

// TestExtractTrustsTheSettings: whoever knows the settings knows who signs, and need not
// ask for it.
func TestExtractTrustsTheSettings(t *testing.T) {
	for name, row := range map[string]struct {
		do         func(f *frozen)
		code       fault.Code
		unverified fault.Code // with --unverified
		begun      bool       // something was written before that was seen
	}{
		"nothing changed": {do: func(*frozen) {}, begun: true},
		"signed by a stranger whom the share trusts": {
			do: func(f *frozen) { f.sign(stranger(f.t)) }, code: fault.BackupForged,
		},
		"without a signature": {
			do:   func(f *frozen) { require.NoError(f.t, os.Remove(filepath.Join(f.backup, backup.SignatureFile))) },
			code: fault.BackupForged,
		},
		"a part that opens and is forged": {do: (*frozen).forge, code: fault.BackupDamaged, begun: true},
		"a part that is damaged": {
			do:   func(f *frozen) { f.change(backup.PartFile(backup.CA)) },
			code: fault.BackupDamaged, unverified: fault.BackupDamaged, begun: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := thaw(t)
			row.do(f)
			expect := func(out outcome, code fault.Code) {
				t.Helper()
				if code == "" {
					require.Zero(t, out.code, out.stderr)
					return
				}
				require.Equal(t, code.Exit(), out.code, out.stderr)
				require.Contains(t, out.stderr, string(code)+": ")
			}
			to := filepath.Join(t.TempDir(), "out")
			out := f.extractConfigured(to)
			expect(out, row.code)
			require.NotContains(t, out.stderr, unverifiedWarning)
			_, err := os.Stat(to)
			require.Equal(t, row.begun, err == nil)

			out = f.extractConfigured(filepath.Join(t.TempDir(), "out"), "--unverified")
			expect(out, row.unverified)
			require.Contains(t, out.stderr, unverifiedWarning)
		})
	}
	f := thaw(t)
	out := f.extractConfigured(t.TempDir(), "--unverified", "--allowed-signers", f.trusted())
	require.Equal(t, fault.ExitUsage, out.code, out.stderr)
}
