package repository

import (
	"context"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// everything reads all of a backup that allowedSigners signed.
func (k *keeper) everything(repo *Repository, b *kept, allowedSigners []byte) error {
	ctx := context.Background()
	opened, err := repo.OpenSigned(ctx, b.id, allowedSigners)
	if err != nil {
		return err
	}
	keyFile, err := opened.KeyFile(ctx)
	if err != nil {
		return err
	}
	own, err := seal.OpenBackupKey(keyFile, k.ids)
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
	require.NoError(k.t, part.Close())
	return err
}

func TestOpenSignedTakesWhatWasSigned(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.backUp()
	require.NoError(t, k.everything(k.repo, b, k.signers))
	stranger := seal.AllowedSigners(signingKey(t).Public())
	require.Equal(t, fault.BackupForged, fault.CodeOf(k.everything(k.repo, b, stranger)))
	require.NoError(t, os.WriteFile(k.path(backup.AllowedSignersFile), stranger, 0o600))
	require.NoError(t, k.everything(k.repo, b, k.signers), "whom the share trusts does not matter")
	_, err := k.repo.OpenSigned(t.Context(), testID, k.signers)
	require.Equal(t, fault.BackupNotFound, fault.CodeOf(err))
}

func TestOpenSignedFindsEveryChange(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.backUp()
	for _, file := range []string{backup.ManifestFile, backup.KeyFile, backup.CatalogFile, backup.SumsFile, backup.SignatureFile, backup.PartFile(backup.AD)} {
		before, err := os.ReadFile(k.of(b, file))
		require.NoError(t, err)
		for name, change := range damages {
			if change == nil {
				require.NoError(t, os.Remove(k.of(b, file)))
			} else {
				require.NoError(t, os.WriteFile(k.of(b, file), change(slices.Clone(before)), 0o600))
			}
			err := k.everything(k.repo, b, k.signers)
			require.Contains(t, []fault.Code{fault.BackupDamaged, fault.BackupForged}, fault.CodeOf(err), "%s %s: %v", file, name, err)
			require.NoError(t, os.WriteFile(k.of(b, file), before, 0o600))
		}
	}
	require.NoError(t, k.everything(k.repo, b, k.signers))
}

// TestOpenSignedFollowsRotations: as an audit does, it takes a trusted list from before
// a new key was introduced, and no key that nobody introduced.
func TestOpenSignedFollowsRotations(t *testing.T) {
	k := newKeeper(t, 3)
	k.backUp()
	old := k.signers
	k.rotate()
	b := k.backUp()
	require.NoError(t, k.everything(k.repo, b, old))

	forger := *k
	forger.key = signingKey(t)
	forger.trust(forger.key)
	forged := forger.put()
	forger.publish(forged)
	require.Equal(t, fault.BackupForged, fault.CodeOf(k.everything(k.repo, forged, old)))
}

func TestOpenSignedOfAHalfReplacedKey(t *testing.T) {
	for name, half := range halves {
		k := newKeeper(t, 3)
		b := k.backUp()
		keyFile, sums, signature := k.seal(b)
		data := map[string][]byte{backup.KeyFile: keyFile, backup.SumsFile: sums, backup.SignatureFile: signature}
		for _, file := range half.named {
			require.NoError(t, os.WriteFile(k.of(b, file), data[file], 0o600))
		}
		for _, file := range half.next {
			require.NoError(t, os.WriteFile(k.of(b, file+backup.NextSuffix), data[file], 0o600))
		}
		require.NoError(t, k.everything(k.repo, b, k.signers), name)
	}
}

// TestOpenSignedWhileTheKeyIsReplaced does a step of the replacement with every call.
func TestOpenSignedWhileTheKeyIsReplaced(t *testing.T) {
	base := newKeeper(t, 5)
	base.backUp()
	b := base.backUp()
	untouched := base.snapshot()
	for at := 1; ; at++ {
		base.restore(untouched)
		again, one := *base, *b
		k := &again
		steps := labours["replace the key"](k, &one)
		calls := 0
		hook := func(string) {
			if calls++; calls >= at && len(steps) > 0 {
				step := steps[0]
				steps = steps[1:]
				step()
			}
		}
		opened, err := New(&hooked{Store: k.store, list: hook, download: hook}, "local").OpenSigned(t.Context(), b.id, k.signers)
		require.NoError(t, err, "at call %d of %d", at, calls)
		require.Equal(t, b.id, opened.Manifest().BackupID)
		if calls < at {
			return
		}
	}
}
