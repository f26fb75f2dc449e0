package rekey

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/seal"
)

// SwapOptions say what is trusted and who signs.
type SwapOptions struct {
	// Key signs the staged sums. It must be one of AllowedSigners, and the one that
	// the staged manifest names.
	Key *seal.SigningKey
	// AllowedSigners are the trusted public signing keys, never the share's own file.
	AllowedSigners []byte
	// Staged is the SHA-256 of the staged SHA256SUMS, as [Reencrypt]
	// returned it. It comes another way than over the share: who can write there could
	// otherwise have anything signed.
	Staged string
	// Sums is the SHA-256 that the present SHA256SUMS has by the ledger. When empty,
	// an older state of the backup is not told from the newest.
	Sums string
	// CheckKey, when not nil, is called with the staged key.age before it is signed for; its
	// error ends the swap.
	CheckKey func(keyAge []byte) error
	// Progress, when not nil, is called as staged files are read back.
	Progress func(file string, done, total int64)
}

// Swapped tells what became of a swap.
type Swapped struct {
	Folder  string // relative to the share's path
	Sums    string // SHA-256 of SHA256SUMS from now on
	Changed bool   // false when an earlier call had finished already
}

// Swap puts the copy of a backup that [Reencrypt] made into the place of
// the backup, and removes that one. The copy is read back and signed before.
//
// It may end at any moment, and a repeated call goes on. For a moment, or until then
// after a crash, the backup is in staging/ only, whole and signed, and BACKUP_NOT_FOUND
// to others.
//
// BACKUP_NOT_FOUND when nothing is staged, BACKUP_FORGED when what is staged is not
// opts.Staged, BACKUP_DAMAGED when it is incomplete or not a copy of the backup, and
// for the present backup the codes of [ReplaceKey]. The backup is what it
// was then.
func Swap(ctx context.Context, repo *repository.Repository, id backup.ID, opts SwapOptions) (Swapped, error) {
	s := &swap{repo: repo, files: repo.Files(), id: id, staged: backup.StagingPath(id), old: backup.StagingPath(id) + backup.OldSuffix, opts: opts}
	dir, err := repo.Locate(ctx, id)
	if fault.CodeOf(err) == fault.BackupNotFound {
		return s.resume(ctx, err)
	}
	if err != nil {
		return Swapped{}, err
	}
	present, err := repo.SignedSums(ctx, dir, opts.AllowedSigners)
	if err != nil {
		return Swapped{}, err
	}
	out := Swapped{Folder: repo.Files().At(dir), Sums: opts.Staged}
	if present.Digest == opts.Staged {
		return out, repo.Files().Vacate(ctx, s.old, s.id)
	}
	if err := s.check(ctx, dir, present); err != nil {
		return Swapped{}, err
	}
	// The backup is whole, so what has this name is left from before.
	if err := repo.Files().Vacate(ctx, s.old, s.id); err != nil {
		return Swapped{}, err
	}
	if err := repo.Files().Move(ctx, dir, s.old); err != nil {
		return Swapped{}, err
	}
	out.Changed = true
	return out, s.finish(ctx, dir)
}

// swap replaces one backup. Its folders are relative to the instance.
type swap struct {
	repo        *repository.Repository
	files       *folder.Folder
	id          backup.ID
	staged, old string
	opts        SwapOptions
}

// resume goes on where the backup has left backups/ and the copy has not arrived.
// NotFound is the error when that is not so. When the copy is not good any more, the
// backup gets its place back.
func (s *swap) resume(ctx context.Context, notFound error) (Swapped, error) {
	repo := s.repo
	if _, err := repo.Files().Stat(ctx, repo.Files().At(s.old)); err != nil {
		if folder.IsMissing(err) {
			err = notFound
		}
		return Swapped{}, err
	}
	present, err := repo.SignedSums(ctx, s.old, s.opts.AllowedSigners)
	if err != nil {
		return Swapped{}, err
	}
	m, err := repo.ManifestIn(ctx, s.old, s.id, present)
	if err != nil {
		return Swapped{}, err
	}
	dir := backup.BackupPath(s.id, m.StartedAt)
	if err := s.check(ctx, s.old, present); err != nil {
		switch fault.CodeOf(err) {
		case fault.BackupDamaged, fault.BackupForged, fault.BackupNotFound:
			err = errors.Join(err, repo.Files().Move(ctx, s.old, dir))
		}
		return Swapped{}, err
	}
	return Swapped{Folder: repo.Files().At(dir), Sums: s.opts.Staged, Changed: true}, s.finish(ctx, dir)
}

// finish gives the copy its place and removes the old backup.
func (s *swap) finish(ctx context.Context, dir string) error {
	if err := s.files.Move(ctx, s.staged, dir); err != nil {
		return err
	}
	return s.files.Vacate(ctx, s.old, s.id)
}

// check makes sure that the copy is good and that of the present backup, and signs it.
func (s *swap) check(ctx context.Context, dir string, present repository.Sums) error {
	repo := s.repo
	if s.opts.Sums != "" && present.Digest != s.opts.Sums {
		return repository.RolledBack(repo.Files().At(dir))
	}
	m, err := repo.ManifestIn(ctx, dir, s.id, present)
	if err != nil {
		return err
	}
	data, err := repo.Files().Read(ctx, repo.Files().At(s.staged, backup.SumsFile), folder.MaxSums)
	if folder.IsMissing(err) {
		return fault.New(fault.BackupNotFound, "nothing is staged that could replace "+repo.Files().At(dir), err)
	}
	if err != nil {
		return err
	}
	if folder.Describe("", data).SHA256 != s.opts.Staged {
		return fault.Newf(fault.BackupForged, "%s is not what was staged", repo.Files().At(s.staged))
	}
	// It is trusted from here, and so is what it names.
	signature, err := s.opts.Key.Sign(data)
	if err != nil {
		return err
	}
	sums, err := repository.CheckSums(repo.Files().At(s.staged), data, signature, s.opts.AllowedSigners)
	if err != nil {
		return err
	}
	again, err := repo.ManifestIn(ctx, s.staged, s.id, sums)
	if err != nil {
		return err
	}
	if err := s.compare(m, again); err != nil {
		return err
	}
	if err := s.readBack(ctx, again, sums); err != nil {
		return err
	}
	if s.opts.CheckKey != nil {
		keyAge, err := repo.Files().Read(ctx, repo.Files().At(s.staged, backup.KeyFile), folder.MaxSmall)
		if err == nil {
			err = s.opts.CheckKey(keyAge)
		}
		if err != nil {
			return err
		}
	}
	if err := repo.Files().DeliverSmall(ctx, s.staged, backup.SignatureFile, signature); err != nil {
		return err
	}
	_, err = repo.Files().Tidy(ctx, s.staged, sums.Names())
	return err
}

// compare makes sure that the copy's manifest states the same facts and names the key
// that signs.
func (s *swap) compare(present, copied *backup.Manifest) error {
	where := s.files.At(s.staged, backup.ManifestFile)
	if copied.Signer != s.opts.Key.Fingerprint() {
		return fault.Newf(fault.BackupDamaged, "%s names the signing key %s, not %s", where, copied.Signer, s.opts.Key.Fingerprint())
	}
	if copied.BackupKey == present.BackupKey {
		return fault.Newf(fault.BackupDamaged, "%s names the backup key of before", where)
	}
	want, err := facts(present)
	if err != nil {
		return err
	}
	got, err := facts(copied)
	if err != nil {
		return err
	}
	if !bytes.Equal(want, got) {
		return fault.Newf(fault.BackupDamaged, "%s does not state the facts of the backup that is to be replaced", where)
	}
	return nil
}

// facts encodes what encryption does not change of a manifest.
func facts(m *backup.Manifest) ([]byte, error) {
	c := *m
	c.BackupKey, c.Signer, c.Recipients, c.TotalBytes = "", "", nil, 0
	c.Files, c.Services = nil, nil
	for _, file := range m.Files {
		file.Size, file.SHA256 = 0, folder.Describe("", nil).SHA256
		c.Files = append(c.Files, file)
	}
	for _, service := range m.Services {
		service.Bytes = 0
		c.Services = append(c.Services, service)
	}
	data, err := c.Encode()
	if err != nil {
		return nil, fmt.Errorf("compare manifests: %w", err)
	}
	return data, nil
}

// readBack compares every staged file with the sums and the manifest.
func (s *swap) readBack(ctx context.Context, m *backup.Manifest, sums repository.Sums) error {
	sizes := map[string]int64{}
	total := int64(0)
	for _, file := range m.Files {
		sizes[file.Name] = file.Size
		total += file.Size
	}
	if total != m.TotalBytes {
		return fault.Newf(fault.BackupDamaged, "%s does not add up its files' sizes", s.files.At(s.staged, backup.ManifestFile))
	}
	for _, service := range m.Services {
		if service.File != "" && service.Bytes != sizes[service.File] {
			return fault.Newf(fault.BackupDamaged, "%s states two sizes of %s", s.files.At(s.staged, backup.ManifestFile), service.File)
		}
	}
	for _, file := range sums.SumList {
		name := s.files.At(s.staged, file.Name)
		got, err := s.files.Digest(ctx, name, func(done int64) {
			if s.opts.Progress != nil {
				s.opts.Progress(file.Name, done, sizes[file.Name])
			}
		})
		if err != nil {
			return folder.MissingIsDamage(err)
		}
		if size, listed := sizes[file.Name]; got.SHA256 != file.SHA256 || listed && got.Size != size {
			return folder.NotAsWritten(name)
		}
	}
	return nil
}
