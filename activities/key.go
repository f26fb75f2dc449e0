package activities

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
)

// PrepareKey makes the key pair of one backup, wraps its identity to the operator's
// recipients into key.age on the share, and forgets it. From then on only the
// operator can open what is encrypted to the recipient that it returns. A repeated
// attempt makes another pair and overwrites the first, which nothing was encrypted
// to.
func (a *Activities) PrepareKey(ctx context.Context, in flow.PrepareKeyInput) (flow.PrepareKeyOutput, error) {
	repo, s, err := a.repository(ctx, in.Revision)
	if err != nil {
		return flow.PrepareKeyOutput{}, err
	}
	recipients := make([]seal.Recipient, 0, len(s.Recipients))
	for _, r := range s.Recipients {
		recipient, err := seal.ParseRecipient(r.Text)
		if err != nil {
			return flow.PrepareKeyOutput{}, err
		}
		recipients = append(recipients, recipient)
	}
	key, err := seal.NewBackupKey(recipients...)
	if err != nil {
		return flow.PrepareKeyOutput{}, err
	}
	defer key.Forget()
	wrapped, err := key.Wrap(recipients)
	if err != nil {
		return flow.PrepareKeyOutput{}, err
	}
	file, err := repo.Put(ctx, in.BackupID, backup.KeyFile, wrapped)
	if err != nil {
		return flow.PrepareKeyOutput{}, err
	}
	return flow.PrepareKeyOutput{Recipient: key.Recipient(), Key: file, WorkKeyID: a.Keyring.Active()}, nil
}

// workKey derives the key pair of a run's work files: the lists of items that
// SealBackup merges into the catalogue. It opens nothing of a finished backup.
func (a *Activities) workKey(keyID string, id backup.ID) (seal.Identity, string, error) {
	seed, err := a.Keyring.Derive(keyID, "work files", string(id))
	if err != nil {
		return seal.Identity{}, "", err
	}
	return seal.DeriveIdentity(seed)
}
