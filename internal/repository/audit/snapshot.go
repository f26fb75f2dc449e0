package audit

import (
	"context"
	"path"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/foreign"
	"infrabackup/internal/repository/ledger"
	"infrabackup/internal/share"
)

// snapshot is one look at everything of an instance but the backups' parts, or at one
// backup and the ledger.
type snapshot struct {
	repo     *repository.Repository
	files    *folder.Folder
	only     backup.ID          // the one backup, empty for all
	named    string             // the folder in backups/ that is meant by its ID, empty for none
	signers  []byte             // empty when none are known
	trusted  bool               // the signers do not come from the share
	ownKeys  []string           // of whoever takes the share over
	expected *backup.LedgerHead // nil when it is not known
	found    folder.Findings
	foreign  backup.Foreign       // what is not the product's, outside of the backups' folders
	folders  []folderFacts        // newest first
	own      map[backup.ID]string // the backup's own folder, where several have its ID
	ledger   *ledger.Ledger
}

// folderFacts is what a snapshot has of one backup.
type folderFacts struct {
	name       string
	id         backup.ID
	sums       string             // digest of SHA256SUMS, empty when it cannot be read
	denied     bool               // the account may not read that
	unfinished bool               // its key was being replaced
	pending    repository.Pending // what finishing that would make of it, where that matters
}

// takeAll takes one snapshot. Folders are looked at before the ledger: what is published between
// the two is not seen, and what was published before has its entry by then.
func takeAll(ctx context.Context, repo *repository.Repository, opts Options) (*snapshot, error) {
	return take(ctx, repo, backup.Ref{}, opts)
}

// take is takeAll, and leaves out what concerns neither the ledger nor the one backup
// when that is named.
func take(ctx context.Context, repo *repository.Repository, only backup.Ref, opts Options) (*snapshot, error) {
	snap := &snapshot{repo: repo, files: repo.Files(), only: only.ID, named: only.Folder, signers: opts.AllowedSigners, trusted: len(opts.AllowedSigners) > 0, ownKeys: opts.ownKeys, expected: opts.Head}
	for _, step := range []func(context.Context) error{snap.readFolders, snap.readLedgerAndBeside, snap.readPending, snap.checkInstance, snap.checkForeign, snap.checkAnchors, snap.nameWork} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	snap.checkHead()
	if err := snap.chooseCanonical(ctx); err != nil {
		return nil, err
	}
	snap.compare()
	if err := snap.nameForeign(ctx); err != nil {
		return nil, err
	}
	return snap, nil
}

// same reports whether two looks saw the same backups and the same ledger. Of a look at
// one backup, what the ledger says of others does not count.
func (snap *snapshot) same(other *snapshot) bool {
	if !slices.Equal(snap.folders, other.folders) {
		return false
	}
	if snap.only == "" {
		return snap.ledger.Head() == other.ledger.Head()
	}
	now, _ := snap.ledger.State(snap.only)
	then, _ := other.ledger.State(snap.only)
	return now.Sequence == then.Sequence && slices.Equal(snap.found.List, other.found.List)
}

// empty reports whether nothing was ever backed up, as far as the share shows.
func (snap *snapshot) empty() bool { return len(snap.folders) == 0 && snap.ledger.Empty() }

func (snap *snapshot) path(name string) string { return snap.files.At(backup.BackupsDir, name) }

func (snap *snapshot) readFolders(ctx context.Context) error {
	names, others, err := snap.repo.Folders(ctx)
	if fault.CodeOf(err) == fault.ShareUnsupported {
		snap.found.Add(fault.BackupDamaged, snap.files.At(backup.BackupsDir), "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	if snap.only == "" {
		snap.found.Take(others.Strange...)
		if err := snap.judgeForeign(ctx, others.Foreign); err != nil {
			return err
		}
	} else {
		names = slices.DeleteFunc(names, func(name string) bool {
			id, _, err := backup.ParseFolderName(name)
			return err != nil || id != snap.only
		})
	}
	snap.folders = make([]folderFacts, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(folder.ParallelReads)
	for i, name := range names {
		group.Go(func() error {
			facts, err := readFacts(ctx, snap.repo, name)
			snap.folders[i] = facts
			return err
		})
	}
	return group.Wait()
}

// judgeForeign names what lies beside the backups. A folder that holds a manifest is the
// copy of a backup, whatever it is called.
func (snap *snapshot) judgeForeign(ctx context.Context, entries []share.Info) error {
	for _, entry := range entries {
		where := snap.path(entry.Name)
		if entry.IsDir {
			_, err := snap.files.Stat(ctx, path.Join(where, backup.ManifestFile))
			if err == nil {
				snap.found.Add(fault.BackupDamaged, where, "this holds a backup, and has a name that no backup has")
				continue
			}
			if !folder.IsMissing(err) && !folder.IsUnusable(err) {
				return err
			}
		}
		snap.foreign.Add(where)
	}
	return nil
}

func readFacts(ctx context.Context, repo *repository.Repository, name string) (folderFacts, error) {
	id, _, err := backup.ParseFolderName(name)
	if err != nil {
		return folderFacts{}, fault.New(fault.Internal, "look at a backup", err) // folders has checked it
	}
	facts := folderFacts{name: name, id: id}
	dir := path.Join(backup.BackupsDir, name)
	entries, err := repo.Files().List(ctx, repo.Files().At(dir))
	if err != nil && !folder.IsMissing(err) {
		return facts, err
	}
	facts.unfinished = slices.ContainsFunc(entries, repository.IsPending)
	sums, err := repo.Files().Read(ctx, repo.Files().At(dir, backup.SumsFile), folder.MaxSums)
	switch {
	case err == nil:
		facts.sums = folder.Describe("", sums).SHA256
	case fault.CodeOf(err) == fault.ShareAccessDenied:
		facts.denied = true // the folder above it was listed
	case !folder.IsMissing(err) && !folder.IsUnusable(err):
		return facts, err
	}
	return facts, nil
}

// readLedger takes the share's own list of signing keys when no other is given, compares
// the two when one is, and reads the ledger.
func (snap *snapshot) readLedger(ctx context.Context) error {
	watch := backup.LedgerHead{}
	if snap.expected != nil {
		watch = *snap.expected
	}
	read, err := snap.repo.Ledger().ReadWith(ctx, ledger.Keys{Signers: snap.signers, Trusted: snap.trusted, Own: snap.ownKeys}, watch)
	if err != nil {
		return err
	}
	snap.ledger, snap.signers = read.Ledger, read.Signers
	if read.ListFault != nil {
		snap.found.Add(fault.BackupDamaged, snap.files.At(backup.AllowedSignersFile), "%v", read.ListFault)
	}
	if read.FolderFault != nil {
		snap.found.Add(fault.LedgerDamaged, snap.files.At(backup.LedgerDir), "%v", read.FolderFault)
		return nil
	}
	snap.found.Take(read.Ledger.Findings...)
	snap.foreign.Merge(read.Ledger.Foreign)
	snap.checkSigners(read)
	return nil
}

// checkSigners judges a list of signing keys on the share that is not the trusted one:
// whether the ledger introduces all that it has beyond that, which [ledger.Dir.ReadWith] then
// takes for trusted.
func (snap *snapshot) checkSigners(read ledger.Reading) {
	if !read.Changed {
		return
	}
	name := snap.files.At(backup.AllowedSignersFile)
	switch {
	case len(read.Offered) == 0:
		snap.found.Add(fault.BackupForged, name, "the list of signing keys on the share was changed")
	case len(read.Ledger.Introduced()) < len(read.Offered):
		snap.found.Add(fault.BackupForged, name, "the list of signing keys on the share was changed: it has a key that no trusted key introduced in the ledger; settings show prints whether it is meant")
	}
}

// readLedgerAndBeside reads the ledger, and looks at what lies beside the backups at the same
// time.
func (snap *snapshot) readLedgerAndBeside(ctx context.Context) error {
	var b beside
	var looking sync.WaitGroup
	looking.Go(func() {
		b.recovery, b.recoveryErr = snap.repo.CheckRecovery(ctx)
		_, b.signersErr = snap.files.Stat(ctx, snap.files.At(backup.AllowedSignersFile))
	})
	err := snap.readLedger(ctx)
	looking.Wait()
	if err != nil {
		return err
	}
	return snap.checkBeside(b)
}

// beside is what a look at the files beside the backups has come to.
type beside struct {
	recovery    *backup.Finding
	recoveryErr error
	signersErr  error
}

// checkBeside judges the files that lie beside the backups. They come with the first
// backup.
func (snap *snapshot) checkBeside(b beside) error {
	if snap.empty() {
		return nil
	}
	if b.recoveryErr != nil {
		return b.recoveryErr
	}
	if b.recovery != nil {
		snap.found.Take(*b.recovery)
	}
	name := snap.files.At(backup.AllowedSignersFile)
	switch err := b.signersErr; {
	case folder.IsMissing(err) && snap.trusted:
		snap.found.Add(fault.BackupDamaged, name, "the file is missing; the next backup writes it again")
	case folder.IsMissing(err):
		snap.found.Add(fault.BackupDamaged, name, "the file is missing, so no signature can be checked")
	case err != nil && !folder.IsUnusable(err): // those are said where it is read
		return err
	}
	return nil
}

// belonging are the names in an instance's folder, and whether they are folders.
var belonging = map[string]bool{
	backup.BackupsDir: true, backup.IncomingDir: true, backup.StagingDir: true, backup.LedgerDir: true, backup.RestoresDir: true, backup.DrillsDir: true,
	backup.RecoveryFile: false, backup.AllowedSignersFile: false, backup.ControllerFile: false,
}

func (snap *snapshot) checkInstance(ctx context.Context) error {
	if snap.only != "" {
		return nil
	}
	entries, err := snap.files.List(ctx, snap.files.At())
	if err != nil && !folder.IsMissing(err) {
		return err
	}
	for _, entry := range entries {
		isDir, known := belonging[entry.Name]
		switch {
		case ledger.IsArchived(entry.Name) && entry.IsDir:
		case repository.IsClaimLeftover(entry.Name) && !entry.IsDir:
		case !known && !foreign.Instance.Resembles(entry.Name, entry.IsDir):
			snap.foreign.Add(snap.files.At(entry.Name))
		case !known:
			snap.found.Add(fault.BackupUnlisted, snap.files.At(entry.Name), "this does not belong into the folder of an instance")
		case isDir != entry.IsDir:
			snap.found.Add(fault.BackupDamaged, snap.files.At(entry.Name), "a file is in the place of a folder, or a folder in that of a file")
		}
	}
	return nil
}

// checkHead compares the ledger with the head that was kept elsewhere.
func (snap *snapshot) checkHead() {
	if snap.expected == nil || len(snap.signers) == 0 && len(snap.ledger.Findings) > 0 { // said already
		return
	}
	if err := snap.ledger.CheckHead(*snap.expected); err != nil {
		snap.found.Add(fault.CodeOf(err), snap.repo.Ledger().EntryPath(snap.expected.Sequence), "%s", fault.As(err).Message())
	}
}

// checkAnchors looks for anchors that nobody vouches for: whoever put one there cannot
// hide or feign anything with it, and should be known.
func (snap *snapshot) checkAnchors(ctx context.Context) error {
	if snap.only != "" || len(snap.signers) == 0 {
		return nil
	}
	found, err := snap.repo.ReadAnchors(ctx, snap.signers)
	if err != nil {
		return err
	}
	for _, s := range found.Strange {
		snap.found.Add(fault.BackupForged, s.File, "this records settings, and cannot be believed: %s", s.Why)
	}
	return nil
}
