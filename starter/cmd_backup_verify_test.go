package main

import (
	"encoding/json"
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

// TestVerifyOneWithoutAService verifies a backup where nobody can be asked.
func TestVerifyOneWithoutAService(t *testing.T) {
	f := thaw(t)
	good := f.call("backup verify", "--allowed-signers", f.trusted(), "-o", "json")
	require.Zero(t, good.code, good.stderr)
	require.Contains(t, good.stderr, "there is no ledger on the share")
	var verdict backup.Verdict
	require.NoError(t, json.Unmarshal([]byte(good.stdout), &verdict))
	require.Equal(t, &backup.LedgerSeen{}, verdict.Ledger)
	require.Positive(t, verdict.Items)
	require.Regexp(t, `(?m)^Ledger: +none$`, f.call("backup verify").stdout)

	head := "7:" + strings.Repeat("a", 64)
	gone := f.call("backup verify", "--ledger-head", head)
	require.Equal(t, fault.ExitDamaged, gone.code, gone.stderr)
	require.Contains(t, gone.stdout, "LEDGER_ROLLED_BACK:")
	require.NotContains(t, gone.stderr, "no ledger on the share", "the head that was given says that there was one")

	store, err := dir.Open(f.folder)
	require.NoError(t, err)
	key := stranger(t)
	entry := backup.LedgerEntry{Action: backup.LedgerBegun, Controller: frozenBackup, At: time.Now().UTC(), By: "test"}
	signers := seal.AllowedSigners(key.Public())
	next, _, err := repository.New(store, frozenInstance).Ledger().Append(t.Context(), backup.LedgerHead{}, entry, key, signers)
	require.NoError(t, err)
	require.NoError(t, store.Close())
	f.sign(key)
	unlisted := f.call("backup verify")
	require.Equal(t, fault.ExitDamaged, unlisted.code, unlisted.stdout)
	require.Contains(t, unlisted.stdout, "BACKUP_UNLISTED:")
	require.Regexp(t, `(?m)^Ledger: +1 entries, newest `+next.String()+`$`, unlisted.stdout)
	require.Contains(t, unlisted.stderr, headUnknown)
	require.NotContains(t, f.call("backup verify", "--ledger-head", next.String()).stderr, headUnknown)
}
