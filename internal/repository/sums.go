package repository

import (
	"bytes"
	"context"
	"path"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/seal"
)

// SumList is what a SHA256SUMS says, whoever wrote it.
type SumList []backup.File

// Sums is a SHA256SUMS whose signature is good, as only [CheckSums] finds out: the start of
// every change of a finished backup, which would otherwise be signed again with whatever
// somebody put into it.
type Sums struct {
	SumList
	Digest string // of the file itself
}

// CheckSums makes sure that a SHA256SUMS is signed by one of signers and describes a
// backup. BACKUP_FORGED or BACKUP_DAMAGED otherwise; where names the backup.
func CheckSums(where string, sums, signature, signers []byte) (Sums, error) {
	if _, err := seal.VerifySignature(sums, signature, signers); err != nil {
		return Sums{}, fault.New(fault.BackupForged, "the sums of "+where+" are not trusted", err)
	}
	files, err := backup.DecodeSums(sums)
	if err != nil {
		return Sums{}, fault.New(fault.BackupDamaged, "the sums of "+where+" cannot be understood", err)
	}
	s := Sums{SumList: files, Digest: folder.Describe(backup.SumsFile, sums).SHA256}
	for _, name := range []string{backup.ManifestFile, backup.KeyFile} {
		if s.Of(name) == "" {
			return Sums{}, fault.Newf(fault.BackupDamaged, "the sums of %s do not name %s", where, name)
		}
	}
	return s, nil
}

// Of returns the digest of a file, empty when the sums do not name it.
func (s SumList) Of(name string) string {
	for _, file := range s {
		if file.Name == name {
			return file.SHA256
		}
	}
	return ""
}

// With returns the sums' text with another digest of one file.
func (s SumList) With(name, digest string) []byte {
	files := make([]backup.File, len(s))
	for i, file := range s {
		if file.Name == name {
			file.SHA256 = digest
		}
		files[i] = file
	}
	return backup.EncodeSums(files)
}

// Names returns the files that the sums name, and the sums and their signature: all
// that a backup's folder holds.
func (s SumList) Names() map[string]bool {
	names := map[string]bool{backup.SumsFile: true, backup.SignatureFile: true}
	for _, file := range s {
		names[file.Name] = true
	}
	return names
}

// RolledBack says that a backup's sums are not those that the ledger records.
func RolledBack(where string) error {
	return fault.Newf(fault.BackupRolledBack, "the sums of %s are signed, but are not those that the ledger records", where)
}

// signedFiles reads what is signed in the folder of a backup.
type signedFiles struct{ files *folder.Folder }

// SignedSums reads and checks the sums in a folder, which is relative to the instance.
// A backup whose key is being replaced may be without them: REWRAP_UNFINISHED.
func (r signedFiles) SignedSums(ctx context.Context, dir string, signers []byte) (Sums, error) {
	sums, err := r.SumsFile(ctx, dir, backup.SumsFile, fault.BackupDamaged)
	if err != nil {
		return Sums{}, err
	}
	signature, err := r.SumsFile(ctx, dir, backup.SignatureFile, fault.BackupForged)
	if err != nil {
		return Sums{}, err
	}
	return CheckSums(r.files.At(dir), sums, signature, signers)
}

// SumsFile reads the sums or their signature; absent is the code when there is
// neither the file nor one that is to replace it.
func (r signedFiles) SumsFile(ctx context.Context, dir, name string, absent fault.Code) ([]byte, error) {
	data, err := r.files.Read(ctx, r.files.At(dir, name), folder.MaxSums)
	if !folder.IsMissing(err) {
		return data, err
	}
	_, nextErr := r.files.Stat(ctx, r.files.At(dir, name+backup.NextSuffix))
	switch {
	case nextErr == nil:
		return nil, fault.Newf(fault.RewrapUnfinished, "the key of %s is being replaced", r.files.At(dir))
	case !folder.IsMissing(nextErr):
		return nil, nextErr
	}
	return nil, fault.New(absent, r.files.At(dir, name)+" is missing", err)
}

// ManifestIn reads the manifest in a folder, which is relative to the instance,
// and makes sure that it is the signed one of the backup and fits the sums.
func (r signedFiles) ManifestIn(ctx context.Context, dir string, id backup.ID, s Sums) (*backup.Manifest, error) {
	where := r.files.At(dir, backup.ManifestFile)
	data, err := r.files.Read(ctx, where, backup.MaxManifestBytes)
	if folder.IsMissing(err) {
		return nil, fault.New(fault.BackupDamaged, where+" is missing", err)
	}
	if err != nil {
		return nil, err
	}
	if folder.Describe(backup.ManifestFile, data).SHA256 != s.Of(backup.ManifestFile) {
		return nil, folder.NotAsWritten(where)
	}
	m, err := backup.DecodeManifest(bytes.NewReader(data))
	switch {
	case err != nil:
		return nil, fault.New(fault.BackupDamaged, where+" cannot be understood", err)
	case m.BackupID != id || m.Instance.Name != r.files.Instance():
		return nil, fault.Newf(fault.BackupDamaged, "%s is the manifest of backup %s of instance %s", where, m.BackupID, m.Instance.Name)
	case path.Dir(dir) == backup.BackupsDir && backup.FolderName(m.BackupID, m.StartedAt) != path.Base(dir):
		return nil, notOfThisFolder(where, m)
	case len(m.Files)+2 != len(s.SumList): // and manifest and key
		return nil, fault.Newf(fault.BackupDamaged, "%s and the sums name different files", where)
	}
	for _, file := range m.Files {
		if s.Of(file.Name) != file.SHA256 || file.Name == backup.ManifestFile || file.Name == backup.KeyFile {
			return nil, fault.Newf(fault.BackupDamaged, "%s and the sums disagree about %s", where, file.Name)
		}
	}
	return m, nil
}

// notOfThisFolder says that a folder in backups/ has not the name of the backup in it.
func notOfThisFolder(where string, m *backup.Manifest) error {
	return fault.Newf(fault.BackupDamaged, "%s is the manifest of backup %s of %s, not of this folder",
		where, m.BackupID, m.StartedAt.UTC().Format("2006-01-02 15:04:05Z"))
}
