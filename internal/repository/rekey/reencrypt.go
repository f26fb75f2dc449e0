package rekey

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/seal"
)

// ReencryptOptions say what is trusted, who will sign, and where there is room.
type ReencryptOptions struct {
	// AllowedSigners are the trusted public signing keys, never the share's own file.
	AllowedSigners []byte
	// Sums is the SHA-256 that the present SHA256SUMS has by the ledger. When empty,
	// an older state of the backup is not told from the newest.
	Sums string
	// Signer is the fingerprint of the key that [Swap] will sign with.
	Signer string
	// Temp is a local folder with room for the backup's largest file. Only cipher text
	// is written there, and none of it outlives the process, where the platform allows
	// that; elsewhere the next call with the same folder removes it.
	Temp string
	// Progress, when not nil, is called as files are read and read back; both count.
	// Calls do not overlap.
	Progress func(file string, done, total int64)
}

// Reencrypted tells what lies in staging/.
type Reencrypted struct {
	Folder    string // relative to the share's path
	Sums      string // SHA-256 of its SHA256SUMS, for [SwapOptions]
	BackupKey string // public half of the new backup key
	Bytes     int64  // size of the encrypted files
}

// Reencrypt makes a copy of a finished backup in staging/ that is encrypted to a new
// backup key, which only recipients can open. It is for a backup whose key may be
// known to somebody; old is the identity of the present backup key, from
// [seal.OpenBackupKey]. What age protects stays the same, byte for byte. Nothing is
// signed: [Swap] does that and puts the copy in the backup's place.
//
// Only what the signed sums vouch for reaches staging/. Whatever an earlier attempt
// left there is removed first, and after a failure so is what this one wrote, unless
// the share does not answer or ctx has ended.
//
// BACKUP_NOT_FOUND, BACKUP_DAMAGED, BACKUP_FORGED and BACKUP_ROLLED_BACK as for
// [ReplaceKey], REWRAP_UNFINISHED while key.age is being replaced,
// KEY_DOES_NOT_FIT when old opens another backup, KEY_INVALID for the recipients,
// SPOOL_FULL and SPOOL_IO for opts.Temp.
func Reencrypt(ctx context.Context, repo *repository.Repository, id backup.ID, old seal.Identity, recipients []seal.Recipient, opts ReencryptOptions) (Reencrypted, error) {
	if opts.Signer == "" {
		return Reencrypted{}, fault.Newf(fault.Internal, "re-encrypting backup %s: no signing key is named", id)
	}
	dir, err := repo.Locate(ctx, id)
	if err != nil {
		return Reencrypted{}, err
	}
	sums, err := repo.SignedSums(ctx, dir, opts.AllowedSigners)
	if err != nil {
		return Reencrypted{}, err
	}
	if opts.Sums != "" && sums.Digest != opts.Sums {
		return Reencrypted{}, repository.RolledBack(repo.Files().At(dir))
	}
	m, err := repo.ManifestIn(ctx, dir, id, sums)
	if err != nil {
		return Reencrypted{}, err
	}
	if old.Public() != m.BackupKey {
		return Reencrypted{}, fault.Newf(fault.KeyDoesNotFit, "backup %s is not encrypted to the key that was given", id)
	}
	key, err := seal.NewBackupKey(recipients...)
	if err != nil {
		return Reencrypted{}, err
	}
	defer key.Forget()
	keyAge, err := key.Wrap(recipients)
	if err != nil {
		return Reencrypted{}, err
	}
	removeLeftovers(opts.Temp)
	e := &reencryption{
		repo: repo, files: repo.Files(), from: repo.OpenIn(dir, m), old: old,
		to: backup.StagingPath(id), recipient: key.Recipient(), opts: opts,
	}
	out, err := e.run(ctx, keyAge, recipients)
	if err != nil && ctx.Err() == nil {
		_, leftErr := repo.Files().RemoveAll(ctx, repo.Files().At(e.to))
		err = errors.Join(err, leftErr)
	}
	return out, err
}

// reencryption copies one backup into staging/.
type reencryption struct {
	repo      *repository.Repository
	files     *folder.Folder
	from      *repository.Backup
	old       seal.Identity
	to        string // folder, relative to the instance
	recipient string // public half of the new backup key
	opts      ReencryptOptions
}

func (e *reencryption) run(ctx context.Context, keyAge []byte, recipients []seal.Recipient) (Reencrypted, error) {
	if err := e.files.Vacate(ctx, e.to, e.from.Manifest().BackupID); err != nil {
		return Reencrypted{}, err
	}
	if err := e.files.MkdirAll(ctx, e.files.At(e.to)); err != nil {
		return Reencrypted{}, err
	}
	made := make([]backup.File, 0, len(e.from.Manifest().Files)+2)
	for _, file := range e.from.Manifest().Files {
		again, err := e.file(ctx, file)
		if err != nil {
			return Reencrypted{}, err
		}
		made = append(made, again)
	}
	m := e.manifest(made, recipients)
	encoded, err := m.Encode()
	if err != nil {
		return Reencrypted{}, fault.New(fault.Internal, "write the manifest of "+e.files.At(e.to), err)
	}
	for name, data := range map[string][]byte{backup.ManifestFile: encoded, backup.KeyFile: keyAge} {
		if err := e.files.DeliverSmall(ctx, e.to, name, data); err != nil {
			return Reencrypted{}, err
		}
		made = append(made, folder.Describe(name, data))
	}
	sums := backup.EncodeSums(made)
	if err := e.files.DeliverSmall(ctx, e.to, backup.SumsFile, sums); err != nil {
		return Reencrypted{}, err
	}
	return Reencrypted{Folder: e.files.At(e.to), Sums: folder.Describe("", sums).SHA256, BackupKey: e.recipient, Bytes: m.TotalBytes}, nil
}

// file re-encrypts one file. It goes by way of a local file, so that nothing that
// the signed sums do not vouch for reaches staging/.
func (e *reencryption) file(ctx context.Context, want backup.File) (made backup.File, err error) {
	local, err := createUnlinked(e.opts.Temp)
	if err != nil {
		return made, localFault(e.opts.Temp, err)
	}
	defer func() {
		if failed := local.discard(); failed != nil {
			err = errors.Join(err, localFault(e.opts.Temp, failed))
		}
	}()
	made, err = e.encrypt(ctx, want, local.File)
	if err != nil {
		return made, err
	}
	total := want.Size + made.Size
	return made, e.files.Deliver(ctx, e.to, made, local, folder.UploadOptions{Token: folder.ContentToken(made), ReadBack: func(done int64) {
		e.progress(want.Name, want.Size+done, total)
	}})
}

// encrypt decrypts a file of the backup and encrypts it again into local.
func (e *reencryption) encrypt(ctx context.Context, want backup.File, local *os.File) (backup.File, error) {
	cipher := &folder.Tally{Sum: sha256.New(), Limit: want.Size, Progress: func(done int64) {
		e.progress(want.Name, done, 2*want.Size)
	}}
	plain, err := e.from.Watched(ctx, want.Name, e.old, cipher)
	if err != nil {
		return backup.File{}, folder.MissingIsDamage(err)
	}
	again := &folder.Tally{Sum: sha256.New(), Limit: -1}
	w, err := seal.Encrypt(io.MultiWriter(&localWriter{file: local, folder: e.opts.Temp}, again), e.recipient)
	if err != nil {
		return backup.File{}, errors.Join(err, plain.Close())
	}
	_, err = io.Copy(w, plain)
	if err = errors.Join(err, plain.Close()); err == nil {
		err = w.Close()
	}
	if err != nil {
		return backup.File{}, folder.MissingIsDamage(err)
	}
	if cipher.Digest() != want.SHA256 || cipher.N != want.Size {
		return backup.File{}, folder.NotAsWritten(path.Join(e.from.Path(), want.Name))
	}
	return backup.File{Name: want.Name, Size: again.N, SHA256: again.Digest()}, nil
}

func (e *reencryption) progress(file string, done, total int64) {
	if e.opts.Progress != nil {
		e.opts.Progress(file, done, total)
	}
}

// manifest states the same facts of other files.
func (e *reencryption) manifest(made []backup.File, recipients []seal.Recipient) *backup.Manifest {
	m := *e.from.Manifest()
	m.Files, m.BackupKey, m.Signer, m.TotalBytes = slices.Clone(made), e.recipient, e.opts.Signer, 0
	m.Recipients = make([]backup.Recipient, len(recipients))
	for i, to := range recipients {
		m.Recipients[i] = backup.Recipient{Kind: to.Kind, Fingerprint: to.Fingerprint}
	}
	sizes := map[string]int64{}
	for _, file := range made {
		sizes[file.Name] = file.Size
		m.TotalBytes += file.Size
	}
	m.Services = slices.Clone(m.Services)
	for i := range m.Services {
		if s := &m.Services[i]; s.File != "" {
			s.Bytes = sizes[s.File]
		}
	}
	return &m
}
