package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
	"infrabackup/internal/share/dir"
)

const otherBackup = "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"

// plant puts a copy of the backup beside it, with a far future time.
func (f *frozen) plant() string {
	f.t.Helper()
	planted := filepath.Join(filepath.Dir(f.backup), "20991127T031626Z_"+frozenBackup)
	require.NoError(f.t, os.CopyFS(planted, os.DirFS(f.backup)))
	return planted
}

// with runs a command with the operator's key, from a place.
func (f *frozen) with(from, command string, more ...string) outcome {
	f.t.Helper()
	args := append(strings.Fields(command), "--instance", frozenInstance, "--from", from)
	return call(f.t, "", nil, append(args, more...)...)
}

func TestASecondFolderIsNotOpened(t *testing.T) {
	f := thaw(t)
	planted := f.plant()
	require.NoError(t, os.Remove(filepath.Join(planted, backup.PartFile(backup.CA))))
	for _, trust := range [][]string{nil, {"--allowed-signers", f.trusted()}} {
		out := f.extract(filepath.Join(t.TempDir(), "out"), trust...)
		require.Zero(t, out.code, out.stderr)
		to := filepath.Join(t.TempDir(), "out")
		out = f.with(planted, "restore extract latest --identity "+f.key+" --to "+to, trust...)
		require.Equal(t, fault.ExitDamaged, out.code, out.stderr)
		require.Contains(t, out.stderr, "not of this folder")
		require.NoDirExists(t, to)
		out = f.with(f.backup, "restore extract latest --identity "+f.key+" --to "+to, trust...)
		require.Zero(t, out.code, out.stderr)
	}
	verdict := f.call("backup verify")
	require.Equal(t, fault.ExitDamaged, verdict.code, verdict.stderr)
	require.Contains(t, verdict.stdout, filepath.Base(planted))
	require.NotContains(t, verdict.stdout, backup.PartFile(backup.CA), "the own folder was read")
	verdict = f.with(planted, "backup verify")
	require.Contains(t, verdict.stdout, filepath.Base(planted)+"/"+backup.PartFile(backup.CA), "the folder that was named was read")
}

func TestAnotherBackupThanTheFolderThatIsNamed(t *testing.T) {
	f := thaw(t)
	for _, command := range []string{"backup verify " + otherBackup, "restore extract " + otherBackup + " --list --identity " + f.key} {
		out := f.with(f.backup, command)
		require.Equal(t, fault.ExitUsage, out.code, out.stderr)
		require.Contains(t, out.stderr, "--from names the folder of backup "+frozenBackup)
	}
}

func TestLatestIsReadable(t *testing.T) {
	f := thaw(t)
	require.NoError(t, os.Mkdir(filepath.Join(filepath.Dir(f.backup), "20991231T000000Z_ffffffff-ffff-4fff-8fff-ffffffffffff"), 0o700))
	out := f.with(f.folder, "backup verify latest", "--allowed-signers", f.trusted())
	require.Zero(t, out.code, out.stderr)
	out = f.with(f.folder, "restore extract latest --list --identity "+f.key)
	require.Zero(t, out.code, out.stderr)
}

// TestLatestThatIsMissing: the ledger tells of a newer backup than there is.
func TestLatestThatIsMissing(t *testing.T) {
	f := thaw(t)
	store, err := dir.Open(f.folder)
	require.NoError(t, err)
	key := stranger(t)
	f.sign(key)
	entry := backup.LedgerEntry{
		Action: backup.LedgerCreated, BackupID: otherBackup, Folder: "20261124T195927Z_" + otherBackup, SumsSHA256: strings.Repeat("a", 64),
		Recipients: []backup.Recipient{{Kind: "x25519", Fingerprint: "f"}}, Controller: frozenBackup, At: time.Now().UTC(), By: "test",
	}
	_, _, err = repository.New(store, frozenInstance).Ledger().Append(t.Context(), backup.LedgerHead{}, entry, key, seal.AllowedSigners(key.Public()))
	require.NoError(t, err)
	require.NoError(t, store.Close())
	out := f.with(f.folder, "backup verify latest")
	require.Equal(t, fault.ExitDamaged, out.code, out.stderr)
	require.Contains(t, out.stdout, "BACKUP_MISSING:")
	require.Contains(t, out.stdout, otherBackup)

	// Without a key its entries are there, and cannot be checked.
	for _, empty := range []bool{true, false} {
		list := filepath.Join(f.folder, frozenInstance, backup.AllowedSignersFile)
		if empty {
			require.NoError(t, os.WriteFile(list, nil, 0o600))
		} else {
			require.NoError(t, os.Remove(list))
		}
		out = f.call("backup verify")
		require.Equal(t, fault.ExitDamaged, out.code, out.stderr)
		require.NotContains(t, out.stderr, "there is no ledger")
		require.Contains(t, out.stderr, "the ledger on the share could not be checked")
		require.Regexp(t, `(?m)^Ledger: +not checked$`, out.stdout)
	}
}

func TestVerifyOneOfAnInstanceThatIsGone(t *testing.T) {
	root := t.TempDir()
	for _, from := range []string{root, filepath.Join(root, "lab")} {
		args := []string{"backup", "verify", otherBackup, "--instance", "lab", "--from", from}
		out := call(t, "", nil, args...)
		require.Equal(t, fault.BackupNotFound.Exit(), out.code, out.stderr)
		out = call(t, "", nil, append(args, "--ledger-head", "7:"+strings.Repeat("a", 64))...)
		require.Equal(t, fault.ExitDamaged, out.code, out.stderr)
		require.Contains(t, out.stdout, "LEDGER_ROLLED_BACK:")
	}
}

func TestAnItemThatIsNotListed(t *testing.T) {
	f := thaw(t)
	for _, format := range []string{"table", "json"} {
		out := f.call("restore extract", "--list", "--service", "CA", "--item", "nope", "-o", format)
		require.Equal(t, fault.ItemNotFound.Exit(), out.code, out.stdout)
		require.NotContains(t, out.stdout, "SERVICE")
	}
	out := f.call("restore extract", "--list", "--service", "ARM")
	require.Zero(t, out.code, out.stderr)
	require.Contains(t, out.stdout, "SERVICE")
}

func TestHowAnIDMayBeWritten(t *testing.T) {
	f := thaw(t)
	out := f.with(f.folder, "backup verify "+strings.ToUpper(frozenBackup))
	require.Zero(t, out.code, out.stderr)
	require.Contains(t, out.stdout, frozenBackup)
	long := strings.Repeat("x", 100_000)
	for _, command := range []string{"backup verify", "backup show", "backup delete", "restore extract --list --identity " + f.key} {
		out := call(t, "", nil, append(strings.Fields(command), long)...)
		require.Equal(t, fault.ExitUsage, out.code, out.stderr)
		require.Less(t, len(out.stderr), 500)
	}
	out = call(t, "", nil, "backup", "delete", strings.ToUpper(otherBackup))
	require.Contains(t, out.stderr, "add --yes to delete "+otherBackup)
}
