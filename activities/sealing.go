package activities

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/capture"
	"infrabackup/internal/consistency"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
)

// SealBackup merges the parts' lists of items into the encrypted catalog, checks what
// the items refer to, writes manifest and sums, and signs. A repeated attempt writes
// all of it again.
func (a *Activities) SealBackup(ctx context.Context, in flow.SealBackupInput) (flow.SealBackupOutput, error) {
	repo, s, err := a.repository(ctx, in.Revision)
	if err != nil {
		return flow.SealBackupOutput{}, err
	}
	hb := startPhase(ctx, "", flow.PhaseUpload, 0)
	key, err := seal.ParseSigningKey(s.Signing.PrivateKey.String)
	if err != nil {
		return flow.SealBackupOutput{}, err
	}
	var m *backup.Manifest
	var sealed []backup.File
	catalog, err := a.sealCatalog(ctx, repo, in, hb, func(ctx context.Context, catalog backup.File, found backup.Consistency) (err error) {
		if m, err = a.manifest(ctx, repo, s, in, append(in.Parts[:len(in.Parts):len(in.Parts)], catalog)); err != nil {
			return err
		}
		m.Signer = key.Fingerprint()
		m.Consistency = &found
		sealed, err = writeSealed(ctx, repo, key, m, in.Key)
		return err
	})
	if err != nil {
		return flow.SealBackupOutput{}, err
	}
	return flow.SealBackupOutput{
		Status: m.Status, FinishedAt: m.FinishedAt, TotalBytes: m.TotalBytes, Sealed: append(sealed, catalog, in.Key),
	}, nil
}

// sealCatalog streams every item of every part into catalog.zst.age. It is put
// together in the spool, because an upload needs to know its size.
//
// What the items refer to is checked on the way and, since a target may stand behind
// its reference, by reading the lists of the services that matter again: from the
// request, or from the share, where long ones lie, because the catalog itself can be read by the operator only.
// That costs a second or two for 100,000 items and spares the memory for every item's
// name.
//
// While the catalog is uploaded, meanwhile does what needs to know nothing else of it.
func (a *Activities) sealCatalog(ctx context.Context, repo *repository.Repository, in flow.SealBackupInput, hb *heartbeater,
	meanwhile func(context.Context, backup.File, backup.Consistency) error) (file backup.File, err error) {
	identity, _, err := a.workKey(in.WorkKeyID, in.BackupID)
	if err != nil {
		return file, err
	}
	if err := a.Spool.Begin(in.BackupID); err != nil {
		return file, err
	}
	sealed, err := capture.Create(ctx, a.Spool, a.Encrypter, in.BackupID, backup.CatalogFile, in.Recipient)
	if err != nil {
		return file, err
	}
	// The run releases the hosts that captured, and this need not be one of them. Another attempt
	// may be at work here meanwhile: what it has stays.
	defer func() { err = errors.Join(err, sealed.Abandon(), a.Spool.Vacate(in.BackupID)) }()
	indexes := &indexes{repo: repo, id: in.BackupID, identity: identity, all: map[backup.Service]flow.ServiceIndex{}}
	for _, index := range in.Indexes {
		indexes.all[index.Service] = index
	}
	catalog := archive.NewCatalogWriter(sealed)
	checker := consistency.New(slices.Collect(maps.Keys(indexes.all))...)
	for _, index := range in.Indexes {
		err := indexes.read(ctx, index.Service, func(entry backup.CatalogEntry) error {
			hb.items.Add(1)
			checker.Note(entry)
			return catalog.Add(entry)
		})
		if err != nil {
			return file, err
		}
	}
	if err := catalog.Close(); err != nil {
		return file, err
	}
	if file, err = sealed.Flush(); err != nil {
		return file, err
	}
	found, err := checker.Check(func(service backup.Service, fn func(backup.CatalogEntry)) error {
		return indexes.read(ctx, service, func(entry backup.CatalogEntry) error {
			fn(entry)
			return nil
		})
	})
	if err != nil {
		return file, err
	}
	found.Skew = backup.MeasureSkew(in.Services)
	up := &capture.Upload{Repository: repo, Spool: a.Spool, BackupID: in.BackupID, Progress: hb}
	// The name may be there from an attempt that died after its rename, with bytes that
	// were encrypted with another nonce: those are removed.
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		_, err := up.File(ctx, file, sealed.Blocks())
		return err
	})
	group.Go(func() error { return meanwhile(ctx, file, found) })
	return file, group.Wait()
}

// indexes are the parts' lists of items.
type indexes struct {
	repo     *repository.Repository
	id       backup.ID
	identity seal.Identity
	all      map[backup.Service]flow.ServiceIndex
}

// read hands the entries of one part to fn.
func (x *indexes) read(ctx context.Context, service backup.Service, fn func(backup.CatalogEntry) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	index := x.all[service]
	name := index.File.Name
	if index.Data != nil && !index.File.Holds(index.Data) {
		return fault.Newf(fault.RequestRefused, "the request holds another list of items of %s than was captured", service)
	}
	pr, pw := io.Pipe()
	downloaded := make(chan error, 1)
	go func() {
		var err error
		if index.Data != nil {
			_, err = pw.Write(index.Data)
		} else {
			err = x.repo.ReadIncoming(ctx, x.id, name, pw)
		}
		pw.CloseWithError(err)
		downloaded <- err
	}()
	plain, err := seal.Decrypt(pr, x.identity)
	if err == nil {
		err = archive.ReadCatalog(plain, fn)
	}
	cancel()
	_ = pr.Close() // always nil
	if downErr := <-downloaded; downErr != nil && !errors.Is(downErr, io.ErrClosedPipe) && !errors.Is(downErr, context.Canceled) {
		err = errors.Join(downErr, err)
	}
	if fault.CodeOf(err) == fault.BackupDamaged {
		// It was compared when it was uploaded, so the share changed it since.
		return fault.New(fault.ShareCorrupted, name+" of "+x.repo.String()+" cannot be read again", err)
	}
	return err
}

// manifest states the facts.
func (a *Activities) manifest(ctx context.Context, repo *repository.Repository, s settings.Settings, in flow.SealBackupInput, files []backup.File) (*backup.Manifest, error) {
	previous := in.Previous
	if !in.PreviousKnown {
		var err error
		if previous, _, err = repo.Newest(ctx); err != nil {
			return nil, err
		}
	}
	m := &backup.Manifest{
		Format: backup.FormatVersion, Product: a.Product, BackupID: in.BackupID, Instance: a.named(s.Instance),
		Status: backup.Overall(in.Services), StartedAt: in.StartedAt, FinishedAt: a.Now().UTC(), RequestedBy: in.RequestedBy,
		Services: in.Services, Files: files, Recipients: s.PublicRecipients(), BackupKey: in.Recipient, Previous: previous,
	}
	for _, file := range files {
		m.TotalBytes += file.Size
	}
	return m, nil
}

// named completes the instance's names, of which the settings may only hold the short
// one, with those of the worker's configuration.
func (a *Activities) named(instance backup.Instance) backup.Instance {
	instance.FQDN = cmp.Or(instance.FQDN, a.Instance.FQDN)
	instance.Region = cmp.Or(instance.Region, a.Instance.Region)
	instance.DeploymentID = cmp.Or(instance.DeploymentID, a.Instance.DeploymentID)
	return instance
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
