package repository

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/seal"
	"infrabackup/internal/share"
)

// Stores have no rename that replaces, so a key is replaced in three steps: what is new is
// written beside the old files, under names with [backup.NextSuffix]; when all of it lies
// there, the ledger is told; then each old file is removed and the new one takes its name,
// the key first and the sums last. Any step may be the last one. This file is how everybody
// else reads a backup in such a state; package rekey does the steps and finishes them.

// KeyFiles are the files of a backup that replacing its key replaces.
var KeyFiles = []string{backup.KeyFile, backup.SumsFile, backup.SignatureFile}

// IsPending reports whether the entry of a backup's folder is one that replacing its
// key has still to give its name.
func IsPending(entry share.Info) bool {
	for _, name := range KeyFiles {
		if entry.Name == name+backup.NextSuffix && !entry.IsDir {
			return true
		}
	}
	return false
}

// KeySet is what belongs together in a backup's folder: a key, the sums that name it and
// their signature. What is not there is nil.
type KeySet struct{ Key, Signature, Sums []byte }

// Check makes sure that the sums are signed by one of signers and that the key is the one
// that they name. Where is the backup's folder.
func (k KeySet) Check(where string, signers []byte) (Sums, error) {
	s, err := CheckSums(where, k.Sums, k.Signature, signers)
	if err != nil {
		return Sums{}, err
	}
	if s.Of(backup.KeyFile) != folder.Describe("", k.Key).SHA256 {
		return Sums{}, folder.NotAsWritten(where + "/" + backup.KeyFile)
	}
	return s, nil
}

// Orders in which the names are tried that a file may have.
var (
	// placedFirst ends with the first name again: the file may get it between the two looks.
	placedFirst = []string{"", backup.NextSuffix, ""}
	// nextFirst sees the end of a replacement that goes on meanwhile: a successor is looked
	// for before the file whose name it takes.
	nextFirst = []string{backup.NextSuffix, ""}
)

// firstOf reads a file of a backup, whose folder is relative to the instance, under the
// first of its names that take accepts. Errors that pass takes are no reason to end. When
// nothing is accepted it returns nil, and the error of the last look: nil when take refused that
// file.
func (r signedFiles) firstOf(ctx context.Context, dir, name string, order []string, pass func(error) bool, take func(data []byte) bool) ([]byte, error) {
	var passed error
	for _, suffix := range order {
		data, err := r.files.Read(ctx, r.files.At(dir, name+suffix), folder.MaxSmall)
		switch {
		case err != nil && !pass(err):
			return nil, err
		case err == nil && take(data):
			return data, nil
		}
		passed = err
	}
	return nil, passed
}

// isNoFile reports that nothing usable lies under a name.
func isNoFile(err error) bool { return folder.IsMissing(err) || folder.IsUnusable(err) }

// Pending is the state of a backup's folder in which every file that has a successor is
// replaced.
type Pending struct {
	Sums string // digest of its SHA256SUMS
	Fits bool   // sums, signature and key belong together
}

// Pending looks at what was begun in a folder, which is relative to the instance.
func (r signedFiles) Pending(ctx context.Context, dir string, signers []byte) (Pending, error) {
	var set KeySet
	for _, file := range []struct {
		name string
		data *[]byte
	}{{backup.KeyFile, &set.Key}, {backup.SumsFile, &set.Sums}, {backup.SignatureFile, &set.Signature}} {
		got, err := r.firstOf(ctx, dir, file.name, nextFirst, folder.IsMissing, func([]byte) bool { return true })
		if err != nil && !isNoFile(err) {
			return Pending{}, err
		}
		*file.data = got // none of what is unusable, so nothing fits
	}
	_, err := set.Check(r.files.At(dir), signers)
	return Pending{Sums: folder.Describe("", set.Sums).SHA256, Fits: err == nil}, nil
}

// Pair finds the sums and the signature that belong together in a folder, which is relative
// to the instance, whose key was being replaced: each may still lie under its new name.
// Without a pair that fits it returns the plain names.
func (r signedFiles) Pair(ctx context.Context, dir string, signers []byte) (sums, signature string, err error) {
	for _, s := range nextFirst {
		for _, g := range nextFirst {
			sums, signature = backup.SumsFile+s, backup.SignatureFile+g
			fits, err := r.fits(ctx, dir, sums, signature, signers)
			if err != nil {
				return "", "", err
			}
			if fits {
				return sums, signature, nil
			}
		}
	}
	return backup.SumsFile, backup.SignatureFile, nil
}

func (r signedFiles) fits(ctx context.Context, dir, sumsName, signatureName string, signers []byte) (bool, error) {
	sums, err := r.files.Read(ctx, r.files.At(dir, sumsName), folder.MaxSums)
	if err == nil {
		var signature []byte
		if signature, err = r.files.Read(ctx, r.files.At(dir, signatureName), folder.MaxSmall); err == nil {
			_, err := seal.VerifySignature(sums, signature, signers)
			return err == nil, nil
		}
	}
	if isNoFile(err) {
		return false, nil
	}
	return false, err
}

// either reads a file or its successor, whichever has the digest.
func (r signedFiles) either(ctx context.Context, dir, name, digest string) ([]byte, error) {
	data, err := r.firstOf(ctx, dir, name, placedFirst, isNoFile, func(data []byte) bool { return folder.Describe("", data).SHA256 == digest })
	if err != nil && !isNoFile(err) || data != nil {
		return data, err
	}
	return nil, fault.Newf(fault.BackupDamaged, "%s is not in the state that the ledger records, and %s of that state is not there", r.files.At(dir), name)
}
