package rekey

import (
	"bytes"
	"context"
	"errors"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/seal"
)

// ageHeader begins every age file of version 1.
const ageHeader = "age-encryption.org/v1\n"

// ReplaceOptions say what is trusted and who signs.
type ReplaceOptions struct {
	// Key signs the new sums. It must be one of AllowedSigners.
	Key *seal.SigningKey
	// AllowedSigners are the trusted public signing keys, never the share's own file.
	AllowedSigners []byte
	// Sums is the SHA-256 that the present SHA256SUMS has by the ledger. When empty,
	// an older state of the backup is not told from the newest.
	Sums string
	// Prove, when not nil, is called before anything is written for a key.age that neither
	// the present sums nor those of the ledger have; its error ends the replacement.
	Prove func() error
	// OnStaged, when not nil, is called with the SHA-256 of the new SHA256SUMS when
	// everything is written and before the first file is replaced; its error ends the
	// replacement. A caller that records the digest here, and not only afterwards, may
	// follow an interrupted replacement with any other, whatever its Sums.
	OnStaged func(sums string) error
}

// Replaced tells what became of a replacement.
type Replaced struct {
	Folder  string // relative to the share's path
	Sums    string // SHA-256 of SHA256SUMS from now on
	Written int64  // bytes that were written to the share
	Changed bool   // a file of the backup was replaced by this call
}

// ReplaceKey gives a finished backup another key.age: the same backup key, wrapped to
// other recipients, and with it new sums and a new signature. Nothing else changes.
//
// It may end at any moment: the new files are written and read back beside the old
// ones, and then take their places one by one, so that there is always a key.age or a
// key.age.next that opens the backup. Whoever calls again finishes what was begun,
// and then replaces the key when it is another one. The same call may be repeated
// even after it succeeded; with opts.Sums and another key.age, that needs
// opts.OnStaged.
//
// BACKUP_NOT_FOUND, BACKUP_DAMAGED, BACKUP_FORGED when the present sums are not signed,
// BACKUP_ROLLED_BACK when they are not the ledger's, KEY_INVALID when keyAge is no age
// file, SHARE_CORRUPTED when the share does not give back what was written. The
// backup opens as before then.
func ReplaceKey(ctx context.Context, repo *repository.Repository, id backup.ID, keyAge []byte, opts ReplaceOptions) (Replaced, error) {
	if !bytes.HasPrefix(keyAge, []byte(ageHeader)) || len(keyAge) > seal.MaxKeyFile {
		return Replaced{}, fault.Newf(fault.KeyInvalid, "what is to become key.age of backup %s is no age file of at most %d bytes", id, seal.MaxKeyFile)
	}
	dir, err := repo.Locate(ctx, id)
	if err != nil {
		return Replaced{}, err
	}
	p := &replacement{repo: repo, files: repo.Files(), folder: dir, key: folder.Describe(backup.KeyFile, keyAge), opts: opts}
	p.out.Folder = repo.Files().At(dir)
	if err := p.load(ctx); err != nil {
		return p.out, err
	}
	base, err := p.settle(ctx)
	if err != nil {
		return p.out, err
	}
	return p.out, p.replace(ctx, base, keyAge)
}

// replacement replaces key, signature and sums of one backup, in this order: the old
// sums stay longest, since they say what the ledger knows.
type replacement struct {
	repo   *repository.Repository
	files  *folder.Folder
	folder string
	key    backup.File // the new key.age
	opts   ReplaceOptions
	three  [3]change
	out    Replaced
}

// change is a file that is being replaced.
type change struct {
	name      string
	now, next []byte // nil when there is none
}

// Places in replacement.three.
const (
	placeKey = iota
	placeSignature
	placeSums
)

func (p *replacement) at(name string) string { return p.files.At(p.folder, name) }

// load reads the present files and what an interrupted replacement left.
func (p *replacement) load(ctx context.Context) error {
	for i, name := range []string{backup.KeyFile, backup.SignatureFile, backup.SumsFile} {
		f := &p.three[i]
		f.name = name
		var err error
		if f.now, err = p.read(ctx, name); err != nil {
			return err
		}
		f.next, err = p.read(ctx, name+backup.NextSuffix)
		if fault.CodeOf(err) == fault.BackupDamaged {
			f.next, err = []byte{}, nil // longer than any of the three: nothing that was begun
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *replacement) read(ctx context.Context, name string) ([]byte, error) {
	data, err := p.files.Read(ctx, p.at(name), folder.MaxSmall)
	if folder.IsMissing(err) {
		return nil, nil
	}
	if err == nil && data == nil {
		data = []byte{} // it is there, and empty
	}
	return data, err
}

// settle returns the sums that are to be changed, of a backup that has all of its
// files. When some are missing, because a replacement was interrupted while the new
// ones took their places, that one is finished first.
func (p *replacement) settle(ctx context.Context) (repository.Sums, error) {
	present, err := p.state(func(f change) []byte { return f.now })
	if err == nil {
		return present, nil
	}
	begun, begunErr := p.state(func(f change) []byte {
		if f.next != nil {
			return f.next
		}
		return f.now
	})
	switch {
	case begunErr == nil:
		return begun, p.commit(ctx)
	case fault.CodeOf(err) == fault.BackupDamaged:
		// It is not complete, so the one that was begun is what the backup is.
		return repository.Sums{}, begunErr
	}
	return repository.Sums{}, err
}

// state checks one set of the three files: complete, signed, the one that the ledger
// knows.
func (p *replacement) state(pick func(change) []byte) (repository.Sums, error) {
	for _, f := range p.three {
		if pick(f) == nil {
			return repository.Sums{}, fault.Newf(fault.BackupDamaged, "%s is missing", p.at(f.name))
		}
	}
	set := repository.KeySet{Key: pick(p.three[placeKey]), Signature: pick(p.three[placeSignature]), Sums: pick(p.three[placeSums])}
	s, err := set.Check(p.at(""), p.opts.AllowedSigners)
	if err != nil {
		return repository.Sums{}, err
	}
	if !p.expected(s) {
		return repository.Sums{}, repository.RolledBack(p.at(""))
	}
	return s, nil
}

// expected reports whether the ledger knows these signed sums, or those that they
// were made of. The new key.age in them shows it too: nobody signs it before the sums
// below were checked.
func (p *replacement) expected(s repository.Sums) bool {
	if p.opts.Sums == "" || s.Digest == p.opts.Sums || s.Of(backup.KeyFile) == p.key.SHA256 {
		return true
	}
	old := p.three[placeSums].now
	if folder.Describe("", old).SHA256 != p.opts.Sums {
		return false
	}
	files, err := backup.DecodeSums(old)
	if err != nil {
		return false
	}
	return bytes.Equal(s.With(backup.KeyFile, repository.SumList(files).Of(backup.KeyFile)), old)
}

// replace makes the new files and puts them into their places.
func (p *replacement) replace(ctx context.Context, base repository.Sums, keyAge []byte) error {
	if base.Of(backup.KeyFile) == p.key.SHA256 {
		p.out.Sums = base.Digest
		return p.clear(ctx)
	}
	sums := base.With(backup.KeyFile, p.key.SHA256)
	signature, err := p.opts.Key.Sign(sums)
	if err != nil {
		return err
	}
	// A signature that nobody trusts could not be continued from.
	if _, err := repository.CheckSums(p.at(""), sums, signature, p.opts.AllowedSigners); err != nil {
		return err
	}
	p.out.Sums = folder.Describe("", sums).SHA256
	// What the ledger knows was proven before it was entered.
	if p.opts.Prove != nil && p.out.Sums != p.opts.Sums {
		if err := p.opts.Prove(); err != nil {
			return err
		}
	}
	for i, data := range [][]byte{placeKey: keyAge, placeSignature: signature, placeSums: sums} {
		if err := p.prepare(ctx, &p.three[i], data); err != nil {
			return err
		}
	}
	if p.opts.OnStaged != nil {
		if err := p.opts.OnStaged(p.out.Sums); err != nil {
			return err
		}
	}
	return p.commit(ctx)
}

// prepare writes the file that replaces f and reads it back.
func (p *replacement) prepare(ctx context.Context, f *change, data []byte) error {
	if bytes.Equal(f.next, data) {
		return nil // an interrupted attempt's
	}
	next := p.at(f.name + backup.NextSuffix)
	err := p.files.Write(ctx, next, data)
	if fault.CodeOf(err) == fault.ShareCorrupted { // it was read back
		return errors.Join(err, p.files.Remove(ctx, next))
	}
	if err != nil {
		return err
	}
	p.out.Written += int64(len(data))
	f.next = data
	return nil
}

// commit removes the old files and gives the new ones their names. Only a file
// that has a successor is ever removed.
func (p *replacement) commit(ctx context.Context) error {
	for i := range p.three {
		f := &p.three[i]
		if f.next == nil {
			continue
		}
		p.out.Changed = true
		if err := p.files.Remove(ctx, p.at(f.name)); err != nil {
			return err
		}
		if err := p.files.Rename(ctx, p.at(f.name+backup.NextSuffix), p.at(f.name)); err != nil {
			same, lookErr := p.files.Holds(ctx, p.at(f.name), folder.Describe(f.name, f.next), nil)
			if lookErr != nil || !same {
				return err
			}
			// the reply was lost
		}
		f.now, f.next = f.next, nil
	}
	return nil
}

// clear removes what lies beside a backup that is complete without it.
func (p *replacement) clear(ctx context.Context) error {
	for _, f := range p.three {
		if f.next == nil {
			continue
		}
		if err := p.files.Remove(ctx, p.at(f.name+backup.NextSuffix)); err != nil {
			return err
		}
	}
	return nil
}
