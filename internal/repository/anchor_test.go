package repository_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/share/sharetest"
)

// anchor is what a share is told in a test.
func (k *fixture) anchor(generation, revision int64) backup.Anchor {
	return backup.Anchor{
		Generation: generation, Controller: repositorytest.Controller, Revision: revision,
		Settings: folder.Describe("", fmt.Appendf(nil, "revision %d", revision)).SHA256, Ledger: k.Head, At: k.Clock,
	}
}

// tell writes an anchor.
func (k *fixture) tell(generation, revision int64) {
	k.T.Helper()
	placed, err := k.Repo.WriteAnchor(k.T.Context(), k.anchor(generation, revision), k.Key)
	require.NoError(k.T, err)
	require.True(k.T, placed)
}

func (k *fixture) anchors() repository.Anchors {
	k.T.Helper()
	found, err := k.Repo.ReadAnchors(k.T.Context(), k.Signers)
	require.NoError(k.T, err)
	return found
}

func TestTheNewestAnchorCounts(t *testing.T) {
	k := newFixture(t, 1)
	require.Equal(t, repository.Anchors{}, k.anchors(), "a share of an earlier version was told nothing")
	k.tell(1, 1)
	k.BackUp()
	k.tell(2, 2)
	found := k.anchors()
	require.True(t, found.Newest.Says(k.anchor(2, 2)))
	require.EqualValues(t, 2, found.Generation)
	require.Equal(t, k.Key.Fingerprint(), found.Newest.Signer)
	names, err := os.ReadDir(k.Path(backup.StagingDir))
	require.NoError(t, err)
	require.Len(t, names, 1, "older ones go")
	placed, err := k.Repo.WriteAnchor(t.Context(), k.anchor(2, 3), k.Key)
	require.NoError(t, err)
	require.False(t, placed, "nobody's anchor is replaced")
	require.EqualValues(t, 2, k.anchors().Newest.Revision)
	k.RequireGood()
}

// A host may die at every call that changes the share, before and after it was done. What
// is there then is the old anchor or the new one, and the next attempt succeeds.
func TestAnchorSurvivesACrashAtEveryCall(t *testing.T) {
	for _, how := range []sharetest.Way{sharetest.Before, sharetest.After} {
		crashes := 0
		for n := 1; ; n++ {
			k := newFixture(t, uint64(n))
			k.tell(1, 1)
			store := &sharetest.Crashing{Store: k.Store, At: n, Way: how}
			_, err := repository.New(store, "local").WriteAnchor(t.Context(), k.anchor(2, 2), k.Key)
			if !store.Down {
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
			files, err := filepath.Glob(k.Path(backup.StagingDir, "*"))
			require.NoError(t, err)
			if found.Generation == 2 {
				require.Len(t, files, 1, "what the crash left of an older generation is removed")
			}
		}
		require.GreaterOrEqual(t, crashes, 3)
	}
}

func TestAnchorsOfStrangersAreNotBelieved(t *testing.T) {
	k := newFixture(t, 1)
	k.BackUp()
	k.tell(5, 7)
	good, err := os.ReadFile(k.Path(backup.StagingDir, backup.AnchorFile(5)))
	require.NoError(t, err)
	stranger := *k
	stranger.Key = repositorytest.SigningKey(t)
	forged, err := stranger.Repo.WriteAnchor(t.Context(), stranger.anchor(6, 9), stranger.Key)
	require.NoError(t, err)
	require.True(t, forged)
	require.NoError(t, os.WriteFile(k.Path(backup.StagingDir, backup.AnchorFile(5)), good, 0o600)) // the stranger's removed it
	put := func(generation int64, data []byte) {
		require.NoError(t, os.WriteFile(k.Path(backup.StagingDir, backup.AnchorFile(generation)), data, 0o600))
	}
	put(7, good) // an old one under a new name
	put(8, nil)
	put(9, []byte(strings.Repeat("x", backup.MaxAnchorBytes+1)))
	put(10, []byte(strings.Replace(string(good), `"revision":7`, `"revision":8`, 1)))
	put(11, []byte(strings.Replace(string(good), `"instance":"local"`, `"instance":"other"`, 1)))
	require.NoError(t, os.Mkdir(k.Path(backup.StagingDir, backup.AnchorFile(12)), 0o700))
	found := k.anchors()
	require.EqualValues(t, 7, found.Newest.Revision)
	require.EqualValues(t, 12, found.Generation)
	require.Len(t, found.Strange, 7)
	for _, s := range found.Strange {
		if strings.HasSuffix(s.File, backup.AnchorFile(6)) {
			require.EqualValues(t, 9, s.Claims.Revision)
		}
	}
	seen := k.Verify(k.Options())
	require.Len(t, seen.Findings, 7)
	for _, f := range seen.Findings {
		require.Equal(t, string(fault.BackupForged), f.Code)
	}
	k.tell(13, 8)
	require.NoError(t, os.Remove(k.Path(backup.StagingDir, backup.AnchorFile(12))))
	k.RequireGood()
}

// TestNoFileIsTheLastAnchor: a file with the highest number that there is, or many with
// high ones, keep nobody from telling the share more.
func TestNoFileIsTheLastAnchor(t *testing.T) {
	for name, plant := range map[string]func(t *testing.T, k *fixture, place string){
		"an empty file": func(t *testing.T, _ *fixture, place string) { require.NoError(t, os.WriteFile(place, nil, 0o600)) },
		"a folder":      func(t *testing.T, _ *fixture, place string) { require.NoError(t, os.Mkdir(place, 0o700)) },
		"a folder with content": func(t *testing.T, _ *fixture, place string) {
			require.NoError(t, os.MkdirAll(filepath.Join(place, "x"), 0o700))
		},
		"many": func(t *testing.T, k *fixture, place string) {
			for n := range int64(repository.MaxAnchors / 2) {
				require.NoError(t, os.WriteFile(k.Path(backup.StagingDir, backup.AnchorFile(backup.MaxGeneration-n)), nil, 0o600))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newFixture(t, 1)
			require.NoError(t, k.Repo.Files().MkdirAll(t.Context(), k.Repo.Files().At(backup.StagingDir)))
			plant(t, k, k.Path(backup.StagingDir, backup.AnchorFile(backup.MaxGeneration)))
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
