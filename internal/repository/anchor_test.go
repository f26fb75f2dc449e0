package repository

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// anchor is what a share is told in a test.
func (k *keeper) anchor(generation, revision int64) backup.Anchor {
	return backup.Anchor{
		Generation: generation, Controller: testController, Revision: revision,
		Settings: describe("", fmt.Appendf(nil, "revision %d", revision)).SHA256, Ledger: k.head, At: k.clock,
	}
}

// tell writes an anchor.
func (k *keeper) tell(generation, revision int64) {
	k.t.Helper()
	placed, err := k.repo.WriteAnchor(k.t.Context(), k.anchor(generation, revision), k.key)
	require.NoError(k.t, err)
	require.True(k.t, placed)
}

func (k *keeper) anchors() Anchors {
	k.t.Helper()
	found, err := k.repo.ReadAnchors(k.t.Context(), k.signers)
	require.NoError(k.t, err)
	return found
}

func TestTheNewestAnchorCounts(t *testing.T) {
	k := newKeeper(t, 1)
	require.Equal(t, Anchors{}, k.anchors(), "a share of an earlier version was told nothing")
	k.tell(1, 1)
	k.backUp()
	k.tell(2, 2)
	found := k.anchors()
	require.True(t, found.Newest.Says(k.anchor(2, 2)))
	require.EqualValues(t, 2, found.Generation)
	require.Equal(t, k.key.Fingerprint(), found.Newest.Signer)
	names, err := os.ReadDir(k.path(backup.StagingDir))
	require.NoError(t, err)
	require.Len(t, names, 1, "older ones go")
	placed, err := k.repo.WriteAnchor(t.Context(), k.anchor(2, 3), k.key)
	require.NoError(t, err)
	require.False(t, placed, "nobody's anchor is replaced")
	require.EqualValues(t, 2, k.anchors().Newest.Revision)
	k.requireGood()
}

// A host may die at every call that changes the share, before and after it was done. What
// is there then is the old anchor or the new one, and the next attempt succeeds.
func TestAnchorSurvivesACrashAtEveryCall(t *testing.T) {
	for _, after := range []bool{false, true} {
		crashes := 0
		for n := 1; ; n++ {
			k := newKeeper(t, uint64(n))
			k.tell(1, 1)
			store := &crashing{Store: k.store, left: n, after: after}
			_, err := New(store, "local").WriteAnchor(t.Context(), k.anchor(2, 2), k.key)
			if !store.dead {
				require.NoError(t, err)
				break
			}
			crashes++
			found := k.anchors()
			require.NotNil(t, found.Newest, "call %d", n)
			require.Contains(t, []int64{1, 2}, found.Newest.Revision)
			require.Empty(t, found.Strange)
			k.tell(found.Generation+1, 2)
			require.EqualValues(t, 2, k.anchors().Newest.Revision)
			files, err := filepath.Glob(k.path(backup.StagingDir, "*"))
			require.NoError(t, err)
			if found.Generation == 2 {
				require.Len(t, files, 1, "what the crash left of an older generation is removed")
			}
		}
		require.GreaterOrEqual(t, crashes, 4)
	}
}

func TestAnchorsOfStrangersAreNotBelieved(t *testing.T) {
	k := newKeeper(t, 1)
	k.backUp()
	k.tell(5, 7)
	good, err := os.ReadFile(k.path(backup.StagingDir, backup.AnchorFile(5)))
	require.NoError(t, err)
	stranger := *k
	stranger.key = signingKey(t)
	forged, err := stranger.repo.WriteAnchor(t.Context(), stranger.anchor(6, 9), stranger.key)
	require.NoError(t, err)
	require.True(t, forged)
	require.NoError(t, os.WriteFile(k.path(backup.StagingDir, backup.AnchorFile(5)), good, 0o600)) // the stranger's removed it
	put := func(generation int64, data []byte) {
		require.NoError(t, os.WriteFile(k.path(backup.StagingDir, backup.AnchorFile(generation)), data, 0o600))
	}
	put(7, good) // an old one under a new name
	put(8, nil)
	put(9, []byte(strings.Repeat("x", backup.MaxAnchorBytes+1)))
	put(10, []byte(strings.Replace(string(good), `"revision":7`, `"revision":8`, 1)))
	put(11, []byte(strings.Replace(string(good), `"instance":"local"`, `"instance":"other"`, 1)))
	require.NoError(t, os.Mkdir(k.path(backup.StagingDir, backup.AnchorFile(12)), 0o700))
	found := k.anchors()
	require.EqualValues(t, 7, found.Newest.Revision)
	require.EqualValues(t, 12, found.Generation)
	require.Len(t, found.Strange, 7)
	for _, s := range found.Strange {
		if strings.HasSuffix(s.File, backup.AnchorFile(6)) {
			require.EqualValues(t, 9, s.Claims.Revision)
		}
	}
	audit := k.verify(k.options())
	require.Len(t, audit.Findings, 7)
	for _, f := range audit.Findings {
		require.Equal(t, string(fault.BackupForged), f.Code)
	}
	k.tell(13, 8)
	require.NoError(t, os.Remove(k.path(backup.StagingDir, backup.AnchorFile(12))))
	k.requireGood()
}

func TestIntroducedKeysAreFoundInTheLedger(t *testing.T) {
	k := newKeeper(t, 1)
	k.backUp()
	none, err := k.repo.Introduced(t.Context(), k.signers)
	require.NoError(t, err)
	require.Empty(t, none)
	next := signingKey(t)
	e := k.entry(backup.LedgerSigner, nil)
	e.Key = next.Public()
	k.enter(e)
	before := k.signers
	require.NoError(t, k.repo.WriteInstanceFiles(t.Context(), seal.AllowedSigners(k.key.Public(), next.Public())))
	found, err := k.repo.Introduced(t.Context(), before)
	require.NoError(t, err)
	require.Equal(t, []string{next.Public()}, found)
}

// Nothing is appended behind an entry that is not there: a head that somebody made up, or
// a ledger that was cut.
func TestNothingIsAppendedToAHeadThatIsNotThere(t *testing.T) {
	k := newKeeper(t, 1)
	k.enter(k.operation(1))
	k.enter(k.operation(2))
	for name, row := range map[string]struct {
		head backup.LedgerHead
		code fault.Code
	}{
		"forward":       {backup.LedgerHead{Sequence: 9, SHA256: strings.Repeat("a", 64)}, fault.LedgerRolledBack},
		"another entry": {backup.LedgerHead{Sequence: 2, SHA256: strings.Repeat("a", 64)}, fault.LedgerDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			before := k.snapshot()
			_, _, err := k.repo.AppendLedger(t.Context(), row.head, k.operation(3), k.key, k.signers)
			require.ErrorIs(t, err, row.code)
			require.ErrorIs(t, k.repo.HoldsHead(t.Context(), row.head), row.code)
			requireSameTree(t, before, k.path())
		})
	}
	require.NoError(t, k.repo.HoldsHead(t.Context(), k.head))
	require.NoError(t, k.repo.HoldsHead(t.Context(), backup.LedgerHead{}))
}

// requireSameTree makes sure that two folders hold the same files.
func requireSameTree(t *testing.T, want, got string) {
	t.Helper()
	read := func(root string) map[string]string {
		files := map[string]string{}
		require.NoError(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			files[strings.TrimPrefix(path, root)] = string(data)
			return err
		}))
		return files
	}
	require.Equal(t, read(want), read(got))
}

// The key of a backup is believed of its signed manifest only, also while the key file is
// being replaced.
func TestSignedManifest(t *testing.T) {
	k := newKeeper(t, 1)
	b := k.backUp()
	m, err := k.repo.SignedManifest(t.Context(), b.id, k.signers)
	require.NoError(t, err)
	require.Equal(t, b.backupKey.Recipient(), m.BackupKey)
	keyFile, sums, signature := k.seal(b)
	for name, data := range map[string][]byte{backup.KeyFile: keyFile, backup.SumsFile: sums, backup.SignatureFile: signature} {
		require.NoError(t, os.WriteFile(k.of(b, name+backup.NextSuffix), data, 0o600))
	}
	for _, taken := range []string{"", backup.KeyFile, backup.SignatureFile, backup.SumsFile} {
		if taken != "" {
			require.NoError(t, os.Rename(k.of(b, taken+backup.NextSuffix), k.of(b, taken)))
		}
		m, err := k.repo.SignedManifest(t.Context(), b.id, k.signers)
		require.NoError(t, err, "after %q took its place", taken)
		require.Equal(t, b.backupKey.Recipient(), m.BackupKey)
	}
	_, err = k.repo.SignedManifest(t.Context(), b.id, seal.AllowedSigners(signingKey(t).Public()))
	require.ErrorIs(t, err, fault.BackupForged)
	other, err := seal.NewBackupKey()
	require.NoError(t, err)
	manifest, err := os.ReadFile(k.of(b, backup.ManifestFile))
	require.NoError(t, err)
	changed := strings.Replace(string(manifest), b.backupKey.Recipient(), other.Recipient(), 1)
	require.NoError(t, os.WriteFile(k.of(b, backup.ManifestFile), []byte(changed), 0o600))
	_, err = k.repo.SignedManifest(t.Context(), b.id, k.signers)
	require.ErrorIs(t, err, fault.BackupDamaged)
	require.NoError(t, os.Remove(k.of(b, backup.ManifestFile)))
	_, err = k.repo.SignedManifest(t.Context(), b.id, k.signers)
	require.Error(t, err)
	_, err = k.repo.SignedManifest(t.Context(), "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", k.signers)
	require.ErrorIs(t, err, fault.BackupNotFound)
}

// TestNoFileIsTheLastAnchor: a file with the highest number that there is, or many with
// high ones, keep nobody from telling the share more.
func TestNoFileIsTheLastAnchor(t *testing.T) {
	for name, plant := range map[string]func(t *testing.T, k *keeper, place string){
		"an empty file": func(t *testing.T, _ *keeper, place string) { require.NoError(t, os.WriteFile(place, nil, 0o600)) },
		"a folder":      func(t *testing.T, _ *keeper, place string) { require.NoError(t, os.Mkdir(place, 0o700)) },
		"a folder with content": func(t *testing.T, _ *keeper, place string) {
			require.NoError(t, os.MkdirAll(filepath.Join(place, "x"), 0o700))
		},
		"many": func(t *testing.T, k *keeper, place string) {
			for n := range int64(maxAnchors / 2) {
				require.NoError(t, os.WriteFile(k.path(backup.StagingDir, backup.AnchorFile(backup.MaxGeneration-n)), nil, 0o600))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t, 1)
			require.NoError(t, k.repo.store.MkdirAll(t.Context(), k.repo.at(backup.StagingDir)))
			plant(t, k, k.path(backup.StagingDir, backup.AnchorFile(backup.MaxGeneration)))
			for revision := int64(1); revision < 4; revision++ {
				k.tell(k.anchors().Generation+1, revision)
				found := k.anchors()
				require.EqualValues(t, revision, found.Newest.Revision)
				require.Equal(t, revision, found.Generation)
			}
			if strange := k.anchors().Strange; !strings.HasPrefix(name, "a folder") {
				require.Empty(t, strange)
			}
		})
	}
}
