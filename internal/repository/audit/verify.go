package audit

import (
	"bytes"
	"context"
	"maps"
	"path"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/foreign"
	"infrabackup/internal/seal"
)

// maxFolder bounds the files in a backup's folder that could be its own.
const maxFolder = 64

// VerifyOptions say how deep to look.
type VerifyOptions struct {
	// AllowedSigners are the trusted public signing keys. When empty, the share's own
	// file is used, which whoever can write to the share could have changed.
	AllowedSigners []byte
	// Identities, when given, open the backup: then every item is decrypted and
	// compared with the catalog too. They are the operator's own.
	Identities []seal.Identity
	// BackupOnly leaves out what lies beside the backups, RECOVERY.txt and the share's
	// list of signing keys, for callers that look at it once for all backups.
	BackupOnly bool
	// Progress, when not nil, is called as files are read.
	Progress func(file string, done, total int64)
}

// Verify checks one backup by itself, without the ledger, which [VerifyOne]
// asks: its signature, every file's digest, that none is missing and none was added that
// could be taken for one of its own,
// that manifest, folder and sums agree, and with identities that every item decrypts to
// what the catalog says. A backup whose key was being replaced is checked by the sums
// that are signed, wherever they lie, and has that one finding when all else is well.
// What is wrong is a finding, and so is a file that the account may not read; the error
// is for what kept it from looking, such as a share that does not answer or an identity
// that does not fit.
func Verify(ctx context.Context, repo *repository.Repository, id backup.ID, opts VerifyOptions) (backup.Verdict, error) {
	names, err := repo.FoldersOf(ctx, id)
	if err != nil {
		return backup.Verdict{}, err
	}
	if len(names) > 1 {
		return verifyDuplicates(ctx, repo, id, names, opts)
	}
	return verifyFolder(ctx, repo, id, path.Join(backup.BackupsDir, names[0]), opts)
}

// verifyFolder is [Verify] for a backup whose folder, relative to the
// instance, is known.
func verifyFolder(ctx context.Context, repo *repository.Repository, id backup.ID, dir string, opts VerifyOptions) (backup.Verdict, error) {
	v := newVerification(repo, id, dir, opts)
	err := v.run(ctx)
	return v.verdict, err
}

type verification struct {
	repo    *repository.Repository
	files   *folder.Folder
	folder  string
	opts    VerifyOptions
	verdict backup.Verdict

	unfinished                       bool // the backup's key was being replaced
	keyName, sumsName, signatureName string

	sizes    map[string]int64       // files that are there
	read     map[string][]byte      // the small ones of them that were read
	actual   map[string]backup.File // their digests as read
	sums     []backup.File
	expected map[string]int64 // sizes that the manifest names, where it can be believed
	trusted  []byte           // allowed signers, as the signature was checked with
	manifest *backup.Manifest
}

// verification prepares a look at the backup in folder, which is relative to the
// instance.
func newVerification(repo *repository.Repository, id backup.ID, dir string, opts VerifyOptions) *verification {
	return &verification{
		repo: repo, files: repo.Files(), folder: dir, opts: opts, sizes: map[string]int64{}, read: map[string][]byte{}, actual: map[string]backup.File{},
		verdict: backup.Verdict{BackupID: id, Path: repo.Files().At(dir), Findings: []backup.Finding{}},
		keyName: backup.KeyFile, sumsName: backup.SumsFile, signatureName: backup.SignatureFile,
	}
}

func (v *verification) run(ctx context.Context) error {
	steps := []func(context.Context) error{
		v.listFolder, v.choosePair, v.readSigned, v.readSums, v.chooseKey, v.expectSizes, v.readFiles, v.checkSignature, v.checkManifest, v.checkInstanceFiles, v.checkItems,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (v *verification) at(name string) string { return v.files.At(v.folder, name) }

func (v *verification) find(name, message string) {
	v.add(*folder.Damaged(v.at(name), message))
}

// add enters a finding, each code and file once: a file is read in more than one step.
func (v *verification) add(f backup.Finding) {
	said := func(g backup.Finding) bool { return g.Code == f.Code && g.File == f.File }
	if !slices.ContainsFunc(v.verdict.Findings, said) {
		v.verdict.Findings = append(v.verdict.Findings, f.Clip())
	}
}

func (v *verification) forged(name, message string) {
	v.add(backup.Finding{Code: string(fault.BackupForged), File: v.at(name), Message: message})
}

func (v *verification) listFolder(ctx context.Context) error {
	entries, names, err := v.files.Scan(ctx, v.files.At(v.folder))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		switch {
		case !entry.IsDir:
			v.sizes[entry.Name] = entry.Size
			v.unfinished = v.unfinished || repository.IsPending(entry)
		case folder.IsBackupFile(entry.Name) || foreign.Backup.Resembles(entry.Name, true):
			v.find(entry.Name, "a folder was added")
		default:
			v.verdict.Foreign.Add(v.at(entry.Name))
		}
	}
	for _, name := range names {
		if file := v.files.NamedAt(v.folder, name); folder.IsBackupFile(name) || foreign.Backup.Resembles(name, false) {
			v.add(*folder.Damaged(file, "the file does not belong to this backup"))
		} else {
			v.verdict.Foreign.Add(file)
		}
	}
	return nil
}

// judgeOthers tells the files that are not in the sums apart: those that could be taken
// for the backup's own are findings.
func (v *verification) judgeOthers(listed map[string]bool) {
	found := 0
	for _, name := range slices.Sorted(maps.Keys(v.sizes)) {
		switch {
		case listed[name]:
		case !folder.IsBackupFile(name) && !foreign.Backup.Resembles(name, false):
			v.verdict.Foreign.Add(v.at(name))
		case found == maxFolder:
			v.find("", "the folder holds more files than a backup has")
			found++
		case found < maxFolder:
			v.find(name, "the file does not belong to this backup")
			found++
		}
	}
}

// small reads a file of the backup. Absence, damage and denial become findings.
func (v *verification) small(ctx context.Context, name string, limit int64) ([]byte, error) {
	if _, ok := v.sizes[name]; !ok {
		v.find(name, "the file is missing")
		return nil, nil
	}
	if data, ok := v.read[name]; ok {
		return data, nil
	}
	data, err := v.files.Read(ctx, v.at(name), limit)
	if folder.IsMissing(err) || fault.CodeOf(err) == fault.BackupDamaged {
		v.find(name, err.Error())
		return nil, nil
	}
	if err != nil {
		return nil, v.denied(ctx, name, err)
	}
	v.read[name] = data
	return data, nil
}

func (v *verification) readSums(ctx context.Context) error {
	data, err := v.small(ctx, v.sumsName, folder.MaxSums)
	if err != nil || data == nil {
		return err
	}
	v.sums, err = backup.DecodeSums(data)
	if err != nil {
		v.find(v.sumsName, err.Error())
	}
	return nil
}

// readFiles reads every file that the sums name and compares.
func (v *verification) readFiles(ctx context.Context) error {
	if v.sums == nil {
		return nil // reported already; without sums nothing can be compared
	}
	listed := map[string]bool{backup.SumsFile: true, backup.SignatureFile: true}
	if v.unfinished {
		for _, name := range repository.KeyFiles {
			listed[name], listed[name+backup.NextSuffix] = true, true
		}
	}
	ahead, stop := v.readAhead(ctx)
	defer stop()
	for _, want := range v.sums {
		listed[want.Name] = true
		if err := v.readFile(ctx, want, ahead[want.Name]); err != nil {
			return err
		}
	}
	v.judgeOthers(listed)
	return nil
}

// nameOf is under which name a file of the sums lies.
func (v *verification) nameOf(want backup.File) string {
	if want.Name == backup.KeyFile {
		return v.keyName
	}
	return want.Name
}

// readFile reads one file, unless that was done ahead, and compares it with the sums.
func (v *verification) readFile(ctx context.Context, want backup.File, ahead *digested) error {
	name := v.nameOf(want)
	size, ok := v.sizes[name]
	if !ok {
		v.find(name, "the file is missing")
		return nil
	}
	if !v.fitting(name, size) {
		return nil
	}
	progress := func(done int64) {
		if v.opts.Progress != nil {
			v.opts.Progress(name, done, size)
		}
	}
	var got backup.File
	var err error
	if ahead != nil {
		<-ahead.done
		if got, err = ahead.file, ahead.err; err == nil {
			progress(got.Size)
		}
	} else {
		got, err = v.files.Digest(ctx, v.at(name), progress)
	}
	if folder.IsMissing(err) {
		v.find(name, "the file is missing")
		return nil
	}
	if err != nil {
		return v.denied(ctx, name, err)
	}
	v.actual[want.Name] = got
	v.verdict.Files++
	v.verdict.Bytes += got.Size
	if got.SHA256 != want.SHA256 {
		v.find(name, "the file does not hold what was written: its SHA-256 differs")
	}
	return nil
}

// checkSignature verifies the sums' signature. When it does not fit, the files tell
// which side was changed: sums that describe the files are what was signed.
func (v *verification) checkSignature(ctx context.Context) error {
	sums, err := v.small(ctx, v.sumsName, folder.MaxSums)
	if err != nil || sums == nil {
		return err
	}
	signature, err := v.small(ctx, v.signatureName, folder.MaxSmall)
	if err != nil || signature == nil {
		return err
	}
	signers, err := v.signers(ctx)
	if err != nil || signers == nil {
		return err
	}
	v.trusted = signers
	signer, err := seal.VerifySignature(sums, signature, signers)
	if err == nil {
		v.verdict.Signer = signer
		return nil
	}
	name := backup.SignatureFile
	if v.sums == nil || len(v.verdict.Findings) > 0 {
		name = backup.SumsFile
	}
	v.forged(name, "the signature does not fit: "+err.Error())
	return nil
}

func (v *verification) signers(ctx context.Context) ([]byte, error) {
	if len(v.opts.AllowedSigners) > 0 {
		return v.opts.AllowedSigners, nil
	}
	signers, err := v.repo.AllowedSigners(ctx)
	if folder.IsMissing(err) {
		v.add(*folder.Damaged(v.files.At(backup.AllowedSignersFile), "the file is missing, so the signature cannot be checked"))
		return nil, nil
	}
	if folder.IsUnusable(err) {
		v.add(*folder.Damaged(v.files.At(backup.AllowedSignersFile), "no signature can be checked: "+err.Error()))
		return nil, nil
	}
	return signers, err
}

// checkManifest makes sure that folder, manifest and sums speak of the same backup.
func (v *verification) checkManifest(ctx context.Context) error {
	data, err := v.small(ctx, backup.ManifestFile, backup.MaxManifestBytes)
	if err != nil || data == nil {
		return err
	}
	m, err := backup.DecodeManifest(bytes.NewReader(data))
	if err != nil {
		v.find(backup.ManifestFile, err.Error())
		return nil
	}
	if m.BackupID != v.verdict.BackupID || backup.FolderName(m.BackupID, m.StartedAt) != path.Base(v.folder) {
		v.find(backup.ManifestFile, "the manifest belongs to backup "+string(m.BackupID)+", not to this folder")
	}
	if m.Instance.Name != v.files.Instance() {
		v.find(backup.ManifestFile, "the manifest belongs to instance "+m.Instance.Name)
	}
	signed := map[string]string{}
	for _, file := range v.sums {
		signed[file.Name] = file.SHA256
	}
	for _, file := range m.Files {
		if v.sums != nil && signed[file.Name] != file.SHA256 {
			v.find(file.Name, "manifest and sums disagree about the file")
		}
		if got, ok := v.actual[file.Name]; ok && got.Size != file.Size {
			v.find(file.Name, "the file's size is not the one in the manifest")
		}
	}
	// Sums that were signed again, for another key.age, may bear a newer signature.
	if v.verdict.Signer != "" && m.Signer != v.verdict.Signer && !seal.Trusts(v.trusted, m.Signer) {
		v.forged(backup.ManifestFile, "the manifest names another signing key than the signature")
	}
	v.manifest = m
	return nil
}

// checkInstanceFiles looks at what lies beside the backups.
func (v *verification) checkInstanceFiles(ctx context.Context) error {
	if v.opts.BackupOnly {
		return nil
	}
	found, err := v.repo.CheckRecovery(ctx)
	if err != nil {
		return err
	}
	if found != nil {
		v.add(*found)
	}
	if len(v.opts.AllowedSigners) == 0 {
		return nil
	}
	name := v.files.At(backup.AllowedSignersFile)
	onShare, err := v.repo.AllowedSigners(ctx)
	switch {
	case folder.IsMissing(err):
		v.add(*folder.Damaged(name, "the file is missing; the next backup writes it again"))
	case err != nil && !folder.IsUnusable(err):
		return err
	case !bytes.Equal(onShare, v.opts.AllowedSigners):
		v.add(backup.Finding{Code: string(fault.BackupForged), File: name, Message: "the list of signing keys on the share was changed"})
	}
	return nil
}
