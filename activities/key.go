package activities

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
)

// PrepareKey has the key pair of one backup made, whose identity is wrapped to the
// operator's recipients, and puts key.age on the share. This process never has the
// identity: only the operator can open what is encrypted to the recipient that it
// returns. A repeated attempt makes another pair and overwrites the first, which
// nothing was encrypted to.
func (a *Activities) PrepareKey(ctx context.Context, in flow.PrepareKeyInput) (flow.PrepareKeyOutput, error) {
	repo, s, err := a.repository(ctx, in.Revision)
	if err != nil {
		return flow.PrepareKeyOutput{}, err
	}
	recipient, wrapped, err := a.makeKey(ctx, s)
	if err != nil {
		return flow.PrepareKeyOutput{}, err
	}
	file, err := repo.Put(ctx, in.BackupID, backup.KeyFile, wrapped)
	if err != nil {
		return flow.PrepareKeyOutput{}, err
	}
	return flow.PrepareKeyOutput{Recipient: recipient, Key: file, WorkKeyID: a.Keyring.Active()}, nil
}

// makeKey has a backup key made and wrapped to the recipients of s.
func (a *Activities) makeKey(ctx context.Context, s settings.Settings) (recipient string, keyAge []byte, err error) {
	recipients := make([]string, 0, len(s.Recipients))
	for _, r := range s.Recipients {
		recipient, err := seal.ParseRecipient(r.Text)
		if err != nil {
			return "", nil, err
		}
		recipients = append(recipients, recipient.Text)
	}
	return a.Keys.MakeKey(ctx, recipients)
}

// workKey derives the key pair of a run's work files: the lists of items that
// SealBackup merges into the catalog. It opens nothing of a finished backup.
func (a *Activities) workKey(keyID string, id backup.ID) (seal.Identity, string, error) {
	seed, err := a.Keyring.Derive(keyID, "work files", string(id))
	if err != nil {
		return seal.Identity{}, "", err
	}
	return seal.DeriveIdentity(seed)
}
