package repository_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/share/sharetest"
)

// otherID is of a backup that is not on the share of a new fixture.
const otherID = backup.ID("1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")

// stage puts a file into staging/.
func (w *rekeyFixture) stage(name string) {
	w.T.Helper()
	path := filepath.Join(w.Folder, backup.StagingDir, name)
	require.NoError(w.T, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(w.T, os.WriteFile(path, []byte(name), 0o600))
}

func TestBeginClearsWhatWasGivenUp(t *testing.T) {
	const own, other = string(repositorytest.ID), string(otherID)
	whole := []string{other + "/" + backup.KeyFile, other + "/" + backup.PartFile(backup.AD), other + "/ca.tar.zst.age.0123456789abcdef.part"}
	for name, c := range map[string]struct {
		staged []string
		age    time.Duration
		fresh  string // written to since
		stays  bool
	}{
		"a copy, long ago":                       {staged: whole, age: 8 * 24 * time.Hour},
		"a copy, days ago":                       {staged: whole, age: 6 * 24 * time.Hour, stays: true},
		"a copy that is written to":              {staged: whole, age: 30 * 24 * time.Hour, fresh: whole[2], stays: true},
		"a copy that gets files":                 {staged: whole, age: 30 * 24 * time.Hour, fresh: other, stays: true},
		"a copy of a backup that is there":       {staged: []string{own + "/" + backup.KeyFile}, age: 8 * 24 * time.Hour},
		"an entry of the ledger":                 {staged: []string{backup.LedgerFile(7), backup.LedgerFile(8) + ".0123456789abcdef.part"}, age: 8 * 24 * time.Hour},
		"a new entry of the ledger":              {staged: []string{backup.LedgerFile(7)}, age: time.Hour, stays: true},
		"a replaced backup":                      {staged: []string{own + ".old/" + backup.KeyFile}, age: 8 * 24 * time.Hour},
		"a replaced backup and another copy":     {staged: []string{own + ".old/" + backup.KeyFile, own + "/" + backup.KeyFile}, age: 8 * 24 * time.Hour},
		"a replaced backup and one being copied": {staged: []string{own + ".old/" + backup.KeyFile, own + "/" + backup.KeyFile}, age: 8 * 24 * time.Hour, fresh: own, stays: true},
		"the only copies of a backup":            {staged: []string{other + ".old/" + backup.KeyFile, other + "/" + backup.KeyFile}, age: 99 * 24 * time.Hour, stays: true},
		"the only copy of a backup":              {staged: []string{other + ".old/" + backup.KeyFile}, age: 99 * 24 * time.Hour, stays: true},
		"a stranger":                             {staged: []string{"notes.txt"}, age: 99 * 24 * time.Hour, stays: true},
		"a stranger's folder":                    {staged: []string{"notes/" + backup.KeyFile}, age: 99 * 24 * time.Hour, stays: true},
		"a stranger in a copy":                   {staged: append(whole, other+"/notes.txt"), age: 99 * 24 * time.Hour, stays: true},
		"a stranger's name in a copy":            {staged: append(whole, other+"/a b"), age: 99 * 24 * time.Hour, stays: true},
		"a folder in a copy":                     {staged: append(whole, other+"/ad/"+backup.KeyFile), age: 99 * 24 * time.Hour, stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newRekeyFixture(t)
			w.Make(repositorytest.ID, repositorytest.Start)
			before := repositorytest.Content(t, w.Folder)
			for _, file := range c.staged {
				w.stage(file)
			}
			w.Age(c.age)
			if c.fresh != "" {
				now := time.Now()
				require.NoError(t, os.Chtimes(filepath.Join(w.Folder, backup.StagingDir, c.fresh), now, now))
			}
			if c.stays {
				maps.Copy(before, repositorytest.Content(t, w.Folder))
			}
			require.NoError(t, w.Begin(t.Context(), "3b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"))
			require.Equal(t, before, repositorytest.Content(t, w.Folder))
			left, err := os.ReadDir(filepath.Join(w.Folder, backup.StagingDir))
			require.NoError(t, err)
			require.Equal(t, c.stays, len(left) > 0)
		})
	}
}

// TestClearingMayEndAtAnyMoment: the next backup clears away the rest.
func TestClearingMayEndAtAnyMoment(t *testing.T) {
	w := newRekeyFixture(t)
	w.Make(repositorytest.ID, repositorytest.Start)
	clean := repositorytest.Content(t, w.Folder)
	w.stage(string(repositorytest.ID) + "/" + backup.KeyFile)
	w.stage(string(repositorytest.ID) + "/" + backup.ManifestFile)
	w.stage(string(repositorytest.ID) + ".old/" + backup.KeyFile)
	whole := repositorytest.Content(t, w.Folder)
	sharetest.EveryCrash(t, w.Store, func() { repositorytest.RestoreTree(t, w.Folder, whole); w.Age(8 * 24 * time.Hour) }, func() error {
		return w.Begin(t.Context(), otherID)
	}, func(t *testing.T) {
		w.Age(8 * 24 * time.Hour)
		require.NoError(t, w.Begin(t.Context(), "3b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"))
		require.Equal(t, clean, repositorytest.Content(t, w.Folder))
	})
}

// TestClearingWaitsForWhoHasItOpen: what cannot be moved now is no reason to take no
// backup.
func TestClearingWaitsForWhoHasItOpen(t *testing.T) {
	for _, code := range []fault.Code{fault.ShareBusy, fault.ShareAccessDenied} {
		w := newRekeyFixture(t)
		w.Make(repositorytest.ID, repositorytest.Start)
		w.stage(string(otherID) + "/" + backup.KeyFile)
		w.Age(8 * 24 * time.Hour)
		held := repository.New(&repositorytest.RefusingStore{Store: w.Store, Code: code, Below: w.Files().At(backup.StagingDir)}, "lab")
		require.NoError(t, held.Begin(t.Context(), "3b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"))
		require.FileExists(t, filepath.Join(w.Folder, backup.StagingPath(otherID), backup.KeyFile))
	}
}
