package repository

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"infrabackup/internal/backup"
)

// recoveryText is what an operator finds on the share on the worst day, without
// this product at hand. It may grow, but every text that was ever written stays
// known to knownRecovery, so that verifying an old share gives no false alarm.
const recoveryText = `How to open these backups with stock tools
==========================================

You need: age (https://age-encryption.org), zstd, tar, sha256sum, ssh-keygen, and
the operator's private key (an age identity file, or the PEM key of the RSA
certificate that was given at "enable"). Instance: @INSTANCE@

1. Choose a folder below backups/ (its name begins with the time in UTC) and go
   into it. Folders in incoming/ are unfinished: leave them alone.

2. Check that nothing was changed. No key is needed:

     ssh-keygen -Y verify -f ../../allowed_signers -I infrabackup -n infrabackup \
       -s SHA256SUMS.sig < SHA256SUMS
     sha256sum -c SHA256SUMS

   allowed_signers lies on this share, too. Compare its key with the one that
   "infrabackup settings show" printed when you wrote it down.

3. Unwrap the key of this one backup:

     age -d -i operator.key key.age > backup.key

4. Open a part, for example Active Directory:

     age -d -i backup.key ad.tar.zst.age | zstd -d | tar x

   manifest.json says what each part holds and what could not be captured.
   catalog.zst.age lists every item:

     age -d -i backup.key catalog.zst.age | zstd -d | less

5. Delete backup.key when you are done. It opens this backup.
`

// RecoveryText is the content of RECOVERY.txt for an instance.
func RecoveryText(instance string) []byte {
	return []byte(strings.ReplaceAll(recoveryText, "@INSTANCE@", instance))
}

// WriteInstanceFiles brings RECOVERY.txt and allowed_signers up to date. They are
// rewritten only when they differ.
func (r *Repository) WriteInstanceFiles(ctx context.Context, allowedSigners []byte) error {
	for name, data := range map[string][]byte{
		backup.RecoveryFile:       RecoveryText(r.instance),
		backup.AllowedSignersFile: allowedSigners,
	} {
		same, err := r.holds(ctx, r.at(name), describe(name, data), nil)
		if err != nil {
			return err
		}
		if same {
			continue
		}
		if err := r.write(ctx, r.at(name), data); err != nil {
			return err
		}
	}
	return nil
}

// AllowedSigners reads the public signing keys from the share.
func (r *Repository) AllowedSigners(ctx context.Context) ([]byte, error) {
	return r.read(ctx, r.at(backup.AllowedSignersFile), maxSmall)
}

// recoveryFinding compares RECOVERY.txt with the texts that this product writes:
// instructions are the first thing that an attacker would change.
func (r *Repository) recoveryFinding(ctx context.Context) (*backup.Finding, error) {
	where := r.at(backup.RecoveryFile)
	data, err := r.read(ctx, where, maxSmall)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return finding(where, "the instructions are missing; the next backup writes them again"), nil
	case isStrange(err):
		return finding(where, "these are not the instructions: "+err.Error()), nil
	case err != nil:
		return nil, err
	case !knownRecovery(data, r.instance):
		return finding(where, "the instructions were changed"), nil
	}
	return nil, nil
}

func knownRecovery(data []byte, instance string) bool {
	return string(data) == string(RecoveryText(instance))
}
