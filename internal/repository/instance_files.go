package repository

import (
	"context"
	_ "embed" // the texts
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/ledger"
)

// What an operator finds on the share on the worst day, without this product at hand.
// The text may change, but every one that was ever written stays known to knownRecovery,
// so that verifying an old share gives no false alarm; the next backup replaces it.
var (
	//go:embed recovery/3.txt
	recoveryText string
	//go:embed recovery/2.txt
	recoveryText2 string // told nothing of keys that are being changed
	//go:embed recovery/1.txt
	recoveryText1 string // opened into the backup's own folder on the share
)

// RecoveryText is the content of RECOVERY.txt for an instance.
func RecoveryText(instance string) []byte { return recoveryOf(recoveryText, instance) }

func recoveryOf(text, instance string) []byte {
	return []byte(strings.ReplaceAll(text, "@INSTANCE@", instance))
}

// instanceFiles are what lies beside the backups for people without this product.
type instanceFiles struct{ files *folder.Folder }

// WriteInstanceFiles brings RECOVERY.txt and allowed_signers up to date. They are
// rewritten only when they differ.
func (r instanceFiles) WriteInstanceFiles(ctx context.Context, allowedSigners []byte) error {
	for name, data := range map[string][]byte{
		backup.RecoveryFile:       RecoveryText(r.files.Instance()),
		backup.AllowedSignersFile: allowedSigners,
	} {
		same, err := r.files.Holds(ctx, r.files.At(name), folder.Describe(name, data), nil)
		if err != nil {
			return err
		}
		if same {
			continue
		}
		if err := r.files.Write(ctx, r.files.At(name), data); err != nil {
			return err
		}
	}
	return nil
}

// AllowedSigners reads the public signing keys from the share.
func (r instanceFiles) AllowedSigners(ctx context.Context) ([]byte, error) {
	return ledger.In(r.files).AllowedSigners(ctx)
}

// CheckRecovery compares RECOVERY.txt with the texts that this product writes:
// instructions are the first thing that an attacker would change.
func (r instanceFiles) CheckRecovery(ctx context.Context) (*backup.Finding, error) {
	where := r.files.At(backup.RecoveryFile)
	data, err := r.files.Read(ctx, where, folder.MaxSmall)
	switch {
	case folder.IsMissing(err):
		return folder.Damaged(where, "the instructions are missing; the next backup writes them again"), nil
	case folder.IsUnusable(err):
		return folder.Damaged(where, "these are not the instructions: "+err.Error()), nil
	case err != nil:
		return nil, err
	case !knownRecovery(data, r.files.Instance()):
		return folder.Damaged(where, "the instructions were changed"), nil
	}
	return nil, nil
}

func knownRecovery(data []byte, instance string) bool {
	for _, text := range []string{recoveryText, recoveryText2, recoveryText1} {
		if string(data) == string(recoveryOf(text, instance)) {
			return true
		}
	}
	return false
}
