package activities

import (
	"context"
	"errors"
	"io"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
)

// SealBackup merges the parts' lists of items into the encrypted catalogue, writes
// manifest and sums, and signs. A repeated attempt writes all of it anew.
func (a *Activities) SealBackup(ctx context.Context, in flow.SealBackupInput) (flow.SealBackupOutput, error) {
	repo, s, err := a.repository(ctx, in.Revision)
	if err != nil {
		return flow.SealBackupOutput{}, err
	}
	beat := startHeart(ctx, "", flow.PhaseUpload, 0)
	catalog, err := a.sealCatalog(ctx, repo, in, beat)
	if err != nil {
		return flow.SealBackupOutput{}, err
	}
	key, err := seal.ParseSigningKey(s.Signing.PrivateKey.String)
	if err != nil {
		return flow.SealBackupOutput{}, err
	}
	m, err := a.manifest(ctx, repo, s, in, append(in.Parts[:len(in.Parts):len(in.Parts)], catalog))
	if err != nil {
		return flow.SealBackupOutput{}, err
	}
	m.Signer = key.Fingerprint()
	sealed, err := writeSealed(ctx, repo, key, m, in.Key)
	if err != nil {
		return flow.SealBackupOutput{}, err
	}
	return flow.SealBackupOutput{
		Status: m.Status, FinishedAt: m.FinishedAt, TotalBytes: m.TotalBytes, Sealed: append(sealed, catalog, in.Key),
	}, nil
}

// sealCatalog streams every item of every part into catalog.zst.age. It is put
// together in the spool, because an upload needs to know its size.
func (a *Activities) sealCatalog(ctx context.Context, repo *repository.Repository, in flow.SealBackupInput, beat *heart) (file backup.File, err error) {
	identity, _, err := a.workKey(in.WorkKeyID, in.BackupID)
	if err != nil {
		return file, err
	}
	if err := a.Spool.Begin(in.BackupID); err != nil {
		return file, err
	}
	rec := &recording{spool: a.Spool, beat: beat}
	sealed, err := rec.create(in.BackupID, backup.CatalogFile, in.Recipient)
	if err != nil {
		return file, err
	}
	defer func() { err = errors.Join(err, sealed.abandon()) }()
	catalog := archive.NewCatalogWriter(sealed)
	for _, index := range in.Indexes {
		if err := mergeIndex(ctx, repo, in.BackupID, index, identity, catalog, beat); err != nil {
			return file, err
		}
	}
	if err := catalog.Close(); err != nil {
		return file, err
	}
	if file, err = sealed.finish(); err != nil {
		return file, err
	}
	up := &upload{repo: repo, spool: a.Spool, id: in.BackupID, beat: beat}
	// The name may be there from an attempt that died after its rename; its bytes
	// were encrypted with another nonce.
	if err := repo.RemoveIncoming(ctx, in.BackupID, backup.CatalogFile); err != nil {
		return file, err
	}
	_, err = up.file(ctx, file)
	return file, err
}

// mergeIndex copies the entries of one part.
func mergeIndex(ctx context.Context, repo *repository.Repository, id backup.ID, index flow.ServiceIndex, identity seal.Identity, catalog *archive.CatalogWriter, beat *heart) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pr, pw := io.Pipe()
	downloaded := make(chan error, 1)
	go func() {
		err := repo.ReadIncoming(ctx, id, index.File.Name, pw)
		pw.CloseWithError(err)
		downloaded <- err
	}()
	plain, err := seal.Decrypt(pr, identity)
	if err == nil {
		err = archive.ReadCatalog(plain, func(entry backup.CatalogEntry) error {
			beat.items.Add(1)
			return catalog.Add(entry)
		})
	}
	cancel()
	_ = pr.Close() // always nil
	if downErr := <-downloaded; downErr != nil && !errors.Is(downErr, io.ErrClosedPipe) && !errors.Is(downErr, context.Canceled) {
		err = errors.Join(downErr, err)
	}
	if fault.CodeOf(err) == fault.BackupDamaged {
		// It was compared when it was uploaded, so the share changed it since.
		return fault.New(fault.ShareCorrupted, index.File.Name+" of "+repo.String()+" cannot be read again", err)
	}
	return err
}

// manifest states the facts.
func (a *Activities) manifest(ctx context.Context, repo *repository.Repository, s settings.Settings, in flow.SealBackupInput, files []backup.File) (*backup.Manifest, error) {
	previous, err := repo.Newest(ctx)
	if err != nil {
		return nil, err
	}
	m := &backup.Manifest{
		Format: backup.FormatVersion, Product: a.Product, BackupID: in.BackupID, Instance: s.Instance,
		Status: backup.Overall(in.Services), StartedAt: in.StartedAt, FinishedAt: a.Now().UTC(), RequestedBy: in.RequestedBy,
		Services: in.Services, Files: files, Recipients: s.PublicRecipients(), BackupKey: in.Recipient, Previous: previous,
	}
	for _, file := range files {
		m.TotalBytes += file.Size
	}
	return m, nil
}

// writeSealed writes manifest, sums and signature, in this order, and returns their
// digests.
func writeSealed(ctx context.Context, repo *repository.Repository, key *seal.SigningKey, m *backup.Manifest, keyFile backup.File) ([]backup.File, error) {
	encoded, err := m.Encode()
	if err != nil {
		return nil, err
	}
	manifest, err := repo.Put(ctx, m.BackupID, backup.ManifestFile, encoded)
	if err != nil {
		return nil, err
	}
	sums := backup.EncodeSums(append(m.Files[:len(m.Files):len(m.Files)], manifest, keyFile))
	sumsFile, err := repo.Put(ctx, m.BackupID, backup.SumsFile, sums)
	if err != nil {
		return nil, err
	}
	signature, err := key.Sign(sums)
	if err != nil {
		return nil, err
	}
	signatureFile, err := repo.Put(ctx, m.BackupID, backup.SignatureFile, signature)
	if err != nil {
		return nil, err
	}
	return []backup.File{manifest, sumsFile, signatureFile}, nil
}
