package repository_test

import (
	"context"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/seal"
)

// everything reads all of a backup that allowedSigners signed.
func (k *fixture) everything(repo *repository.Repository, b *fixtureBackup, allowedSigners []byte) error {
	ctx := context.Background()
	opened, err := repo.OpenSigned(ctx, backup.Ref{ID: b.ID}, allowedSigners)
	if err != nil {
		return err
	}
	keyFile, err := opened.KeyFile(ctx)
	if err != nil {
		return err
	}
	own, err := seal.OpenBackupKey(keyFile, k.IDs)
	if err != nil {
		return err
	}
	if err := opened.Catalog(ctx, own, func(backup.CatalogEntry) error { return nil }); err != nil {
		return err
	}
	part, err := opened.Part(ctx, backup.AD, own)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, part)
	require.NoError(k.T, part.Close())
	return err
}

func TestOpenSignedTakesWhatWasSigned(t *testing.T) {
	k := newFixture(t, 3)
	b := k.BackUp()
	require.NoError(t, k.everything(k.Repo, b, k.Signers))
	stranger := seal.AllowedSigners(repositorytest.SigningKey(t).Public())
	require.Equal(t, fault.BackupForged, fault.CodeOf(k.everything(k.Repo, b, stranger)))
	require.NoError(t, os.WriteFile(k.Path(backup.AllowedSignersFile), stranger, 0o600))
	require.NoError(t, k.everything(k.Repo, b, k.Signers), "whom the share trusts does not matter")
	_, err := k.Repo.OpenSigned(t.Context(), backup.Ref{ID: repositorytest.ID}, k.Signers)
	require.Equal(t, fault.BackupNotFound, fault.CodeOf(err))
}

func TestOpenSignedFindsEveryChange(t *testing.T) {
	k := newFixture(t, 3)
	b := k.BackUp()
	for _, file := range []string{backup.ManifestFile, backup.KeyFile, backup.CatalogFile, backup.SumsFile, backup.SignatureFile, backup.PartFile(backup.AD)} {
		before, err := os.ReadFile(k.Of(b, file))
		require.NoError(t, err)
		for name, change := range repositorytest.Damages {
			if change == nil {
				require.NoError(t, os.Remove(k.Of(b, file)))
			} else {
				require.NoError(t, os.WriteFile(k.Of(b, file), change(slices.Clone(before)), 0o600))
			}
			err := k.everything(k.Repo, b, k.Signers)
			require.Contains(t, []fault.Code{fault.BackupDamaged, fault.BackupForged}, fault.CodeOf(err), "%s %s: %v", file, name, err)
			require.NoError(t, os.WriteFile(k.Of(b, file), before, 0o600))
		}
	}
	require.NoError(t, k.everything(k.Repo, b, k.Signers))
}

// TestOpenSignedFollowsRotations: as an audit does, it takes a trusted list from before
// a new key was introduced, and no key that nobody introduced.
func TestOpenSignedFollowsRotations(t *testing.T) {
	k := newFixture(t, 3)
	k.BackUp()
	old := k.Signers
	k.Rotate()
	b := k.BackUp()
	require.NoError(t, k.everything(k.Repo, b, old))

	forger := *k
	forger.Key = repositorytest.SigningKey(t)
	forger.Trust(forger.Key)
	forged := forger.Put()
	forger.Publish(forged)
	require.Equal(t, fault.BackupForged, fault.CodeOf(k.everything(k.Repo, forged, old)))
}

func TestOpenSignedOfAHalfReplacedKey(t *testing.T) {
	for name, half := range repositorytest.Halves {
		k := newFixture(t, 3)
		b := k.BackUp()
		keyFile, sums, signature := k.Seal(b)
		data := map[string][]byte{backup.KeyFile: keyFile, backup.SumsFile: sums, backup.SignatureFile: signature}
		for _, file := range half.Named {
			require.NoError(t, os.WriteFile(k.Of(b, file), data[file], 0o600))
		}
		for _, file := range half.Next {
			require.NoError(t, os.WriteFile(k.Of(b, file+backup.NextSuffix), data[file], 0o600))
		}
		require.NoError(t, k.everything(k.Repo, b, k.Signers), name)
	}
}

// TestOpenSignedWhileTheKeyIsReplaced does a step of the replacement with every call.
func TestOpenSignedWhileTheKeyIsReplaced(t *testing.T) {
	base := newFixture(t, 5)
	base.BackUp()
	b := base.BackUp()
	untouched := base.Snapshot()
	for at := 1; ; at++ {
		base.Restore(untouched)
		again, one := *base, *b
		k := &again
		steps := repositorytest.Labours["replace the key"](&k.Fixture, &one)
		calls := 0
		hook := func(string) {
			if calls++; calls >= at && len(steps) > 0 {
				step := steps[0]
				steps = steps[1:]
				step()
			}
		}
		opened, err := repository.New(&repositorytest.HookStore{Store: k.Store, OnList: hook, OnDownload: hook}, "local").OpenSigned(t.Context(), backup.Ref{ID: b.ID}, k.Signers)
		require.NoError(t, err, "at call %d of %d", at, calls)
		require.Equal(t, b.ID, opened.Manifest().BackupID)
		if calls < at {
			return
		}
	}
}
