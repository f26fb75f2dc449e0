package activities

import (
	"context"
	"errors"
	"path"
	"sync"

	"golang.org/x/sync/errgroup"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository/ledger"
	"infrabackup/internal/repository/rekey"
	"infrabackup/internal/seal"
)

// ReplaceKeys puts new key files into finished backups and enters each into the
// ledger. What an earlier attempt has done is found as it should be and passed over.
// The service cannot open what it writes here: it makes sure that it is a key file for the
// current recipients, as far as that can be seen from outside.
func (a *Activities) ReplaceKeys(ctx context.Context, in flow.RewrapInput) (flow.RewrapOutput, error) {
	r, err := a.replacing(ctx, in.Revision, in.RequestedBy)
	if err != nil {
		return flow.RewrapOutput{}, err
	}
	r.share.Batch()
	hb := startPhase(ctx, "", flow.PhaseUpload, int64(len(in.Keys)))
	out := flow.RewrapOutput{Backups: make([]flow.ReplacedBackup, len(in.Keys))}
	group, grouped := errgroup.WithContext(ctx)
	group.SetLimit(parallelReplacements)
	for i, key := range in.Keys {
		group.Go(func() (err error) {
			out.Backups[i], err = r.key(grouped, key)
			hb.bytes.Add(1)
			return err
		})
	}
	err = group.Wait()
	return out, errors.Join(err, r.share.SyncHead(ctx))
}

// parallelReplacements is how many keys are replaced at once: each waits for the share
// to make a few small files durable.
const parallelReplacements = 8

// SwapBackup replaces a backup by the one that was re-encrypted, after reading that
// back, and signs it.
func (a *Activities) SwapBackup(ctx context.Context, in flow.ReencryptInput) (flow.ReplacedBackup, error) {
	r, err := a.replacing(ctx, in.Revision, in.RequestedBy)
	if err != nil {
		return flow.ReplacedBackup{}, err
	}
	hb := startPhase(ctx, "", flow.PhaseReadBack, 0)
	known, err := ledger.NotGone(ctx, r.share.repo, r.ledger, in.BackupID)
	if err != nil {
		return flow.ReplacedBackup{}, err
	}
	swapped, err := rekey.Swap(ctx, r.share.repo, in.BackupID, rekey.SwapOptions{
		Key: r.share.key, AllowedSigners: r.share.Trusted(), Staged: in.Staged, Sums: known.SumsSHA256,
		CheckKey: func(keyAge []byte) error { return seal.CheckKeyFile(keyAge, r.to) },
		Progress: func(_ string, done, total int64) {
			hb.total.Store(total)
			hb.bytes.Store(done)
		},
	})
	if err != nil {
		return flow.ReplacedBackup{}, err
	}
	out := flow.ReplacedBackup{BackupID: in.BackupID, Path: swapped.Folder, Changed: swapped.Changed}
	return out, r.enter(ctx, backup.LedgerReencrypted, in.BackupID, swapped.Folder, swapped.Sums)
}

// replacing replaces keys of backups on the current share.
type replacing struct {
	share      *shareWriter
	revision   int64
	ledger     *ledger.Ledger
	recipients []backup.Recipient
	to         []seal.Recipient // the same
	by         string

	mu      sync.Mutex
	entered map[backup.ID]string // sums, since the ledger was read
}

// replacing begins. SETTINGS_CHANGED when the current keys are no longer those of the
// revision that the new key files were made for.
func (a *Activities) replacing(ctx context.Context, revision int64, by string) (*replacing, error) {
	repo, s, err := a.repository(ctx, 0)
	if err != nil {
		return nil, err
	}
	if s.Revision != revision {
		return nil, fault.Newf(fault.SettingsChanged, "the key files were created for revision %d, and revision %d is active", revision, s.Revision)
	}
	if _, err := a.anchors(repo, s).Check(ctx); err != nil {
		return nil, err
	}
	w, err := a.writer(ctx, repo, s)
	if err != nil {
		return nil, err
	}
	if err := w.Claim(ctx); err != nil {
		return nil, err
	}
	known, err := repo.Ledger().Read(ctx, w.Trusted())
	if err != nil {
		return nil, err
	}
	if err := w.CheckIntact(ctx, known); err != nil {
		return nil, err
	}
	w.Saw(known, known.Head())
	r := &replacing{share: w, revision: s.Revision, ledger: known, entered: map[backup.ID]string{}, recipients: s.PublicRecipients(), by: by}
	for _, one := range s.Recipients {
		to, err := seal.ParseRecipient(one.Text)
		if err != nil {
			return nil, err
		}
		r.to = append(r.to, to)
	}
	return r, nil
}

// key replaces one. Its entry is made when the new files lie beside the old ones, so
// that the ledger knows the new state before the share shows any of it.
func (r *replacing) key(ctx context.Context, key flow.WrappedKey) (flow.ReplacedBackup, error) {
	if err := seal.CheckKeyFile(key.KeyAge, r.to); err != nil {
		return flow.ReplacedBackup{}, err
	}
	known, err := ledger.NotGone(ctx, r.share.repo, r.ledger, key.BackupID)
	if err != nil {
		return flow.ReplacedBackup{}, err
	}
	folder, err := r.share.repo.Folder(ctx, key.BackupID)
	if err != nil {
		return flow.ReplacedBackup{}, err
	}
	enter := func(sums string) error { return r.enter(ctx, backup.LedgerRewrapped, key.BackupID, folder, sums) }
	replaced, err := rekey.ReplaceKey(ctx, r.share.repo, key.BackupID, key.KeyAge, rekey.ReplaceOptions{
		Key: r.share.key, AllowedSigners: r.share.Trusted(), Sums: known.SumsSHA256, OnStaged: enter,
		Prove: func() error { return r.proven(key) },
	})
	if err != nil {
		return flow.ReplacedBackup{}, err
	}
	out := flow.ReplacedBackup{BackupID: key.BackupID, Path: replaced.Folder, Changed: replaced.Changed, Written: replaced.Written}
	return out, enter(replaced.Sums)
}

// enter makes the entry of a new state, unless the ledger has it.
func (r *replacing) enter(ctx context.Context, action backup.LedgerAction, id backup.ID, folder, sums string) error {
	r.mu.Lock()
	entered := r.entered[id] == sums
	r.mu.Unlock()
	if known, _ := r.ledger.State(id); known.SumsSHA256 == sums || entered {
		return nil
	}
	err := r.share.Append(ctx, backup.LedgerEntry{
		Action: action, BackupID: id, Folder: path.Base(folder), SumsSHA256: sums, Recipients: r.recipients, By: r.by,
	})
	if err == nil {
		r.mu.Lock()
		r.entered[id] = sums
		r.mu.Unlock()
	}
	return err
}
