package main

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/operator"
)

// untrustedSigners is said where no list of trusted keys is known.
const untrustedSigners = "Note: without --allowed-signers the signing keys that lie on the share are trusted; whoever can write there could have changed them."

// noteUnknownSigners says that nothing is wrong if a key signs for the instance that is not
// on the operator's list, see [operator.LocalRepo.UnknownSigners]. The exit code stays that
// of an alarm, because only a person can tell.
func (a *app) noteUnknownSigners(ctx context.Context, repo *operator.LocalRepo, from storeFlags, check func(context.Context, []byte) ([]backup.Finding, error)) (unknown bool, err error) {
	if from.allowedSigners == "" {
		return false, nil
	}
	fingerprints, err := repo.UnknownSigners(ctx, check)
	for _, fingerprint := range fingerprints {
		a.say("Note: everything fits together if %s signs for this instance, which is on the share's list and not on yours. After `enable --adopt` this is so: compare it with what `infrabackup settings show` prints on a machine that you trust, and add it to your list. If it is not there, somebody forged what it signed.", fingerprint)
	}
	return len(fingerprints) > 0, err
}
