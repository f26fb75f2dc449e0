package repository

import (
	"context"
	"path"
	"slices"

	"golang.org/x/sync/errgroup"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/foreign"
	"infrabackup/internal/repository/ledger"
	"infrabackup/internal/share"
)

// look is one look at everything of an instance but the backups' parts, or at one
// backup and the ledger.
type look struct {
	owner    *Repository
	only     backup.ID          // the one backup, empty for all
	signers  []byte             // empty when none are known
	trusted  bool               // the signers do not come from the share
	expected *backup.LedgerHead // nil when it is not known
	found    folder.Findings
	foreign  backup.Foreign       // what is not the product's, outside of the backups' folders
	folders  []folderFacts        // newest first
	own      map[backup.ID]string // the backup's own folder, where several have its ID
	ledger   *ledger.Ledger
}

// folderFacts is what a look sees of one backup.
type folderFacts struct {
	name       string
	id         backup.ID
	sums       string  // digest of SHA256SUMS, empty when it cannot be read
	denied     bool    // the account may not read that
	unfinished bool    // its key was being replaced
	pending    Pending // what finishing that would make of it, where that matters
}

// look looks once. Folders are looked at before the ledger: what is published between
// the two is not seen, and what was published before has its entry by then.
func (r *Repository) look(ctx context.Context, opts AuditOptions) (*look, error) {
	return r.lookAt(ctx, "", opts)
}

// lookAt is look, and leaves out what concerns neither the ledger nor the one backup
// when that is named.
func (r *Repository) lookAt(ctx context.Context, only backup.ID, opts AuditOptions) (*look, error) {
	l := &look{owner: r, only: only, signers: opts.AllowedSigners, trusted: len(opts.AllowedSigners) > 0, expected: opts.Head}
	for _, step := range []func(context.Context) error{l.readFolders, l.readLedger, l.readPending, l.checkBeside, l.checkInstance, l.checkStrangers, l.checkAnchors, l.nameWork} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	l.checkHead()
	if err := l.chooseOwn(ctx); err != nil {
		return nil, err
	}
	l.compare()
	if err := l.nameForeign(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// same reports whether two looks saw the same backups and the same ledger. Of a look at
// one backup, what the ledger says of others does not count.
func (l *look) same(other *look) bool {
	if !slices.Equal(l.folders, other.folders) {
		return false
	}
	if l.only == "" {
		return l.ledger.Head() == other.ledger.Head()
	}
	now, _ := l.ledger.State(l.only)
	then, _ := other.ledger.State(l.only)
	return now.Sequence == then.Sequence && slices.Equal(l.found.List, other.found.List)
}

// empty reports whether nothing was ever backed up, as far as the share shows.
func (l *look) empty() bool { return len(l.folders) == 0 && l.ledger.Empty() }

func (l *look) path(name string) string { return l.owner.files.At(backup.BackupsDir, name) }

func (l *look) readFolders(ctx context.Context) error {
	names, others, err := l.owner.Folders(ctx)
	if fault.CodeOf(err) == fault.ShareUnsupported {
		l.found.Add(fault.BackupDamaged, l.owner.files.At(backup.BackupsDir), "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	if l.only == "" {
		l.found.Take(others.Strange...)
		if err := l.judgeForeign(ctx, others.Foreign); err != nil {
			return err
		}
	} else {
		names = slices.DeleteFunc(names, func(name string) bool {
			id, _, err := backup.ParseFolderName(name)
			return err != nil || id != l.only
		})
	}
	l.folders = make([]folderFacts, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(folder.ParallelReads)
	for i, name := range names {
		group.Go(func() error {
			facts, err := l.owner.folderFacts(ctx, name)
			l.folders[i] = facts
			return err
		})
	}
	return group.Wait()
}

// judgeForeign names what lies beside the backups. A folder that holds a manifest is the
// copy of a backup, whatever it is called.
func (l *look) judgeForeign(ctx context.Context, entries []share.Info) error {
	for _, entry := range entries {
		where := l.path(entry.Name)
		if entry.IsDir {
			_, err := l.owner.files.Stat(ctx, path.Join(where, backup.ManifestFile))
			if err == nil {
				l.found.Add(fault.BackupDamaged, where, "this holds a backup, and has a name that no backup has")
				continue
			}
			if !folder.IsMissing(err) && !folder.IsUnusable(err) {
				return err
			}
		}
		l.foreign.Add(where)
	}
	return nil
}

func (r *Repository) folderFacts(ctx context.Context, name string) (folderFacts, error) {
	id, _, err := backup.ParseFolderName(name)
	if err != nil {
		return folderFacts{}, fault.New(fault.Internal, "look at a backup", err) // folders has checked it
	}
	facts := folderFacts{name: name, id: id}
	dir := path.Join(backup.BackupsDir, name)
	entries, err := r.files.List(ctx, r.files.At(dir))
	if err != nil && !folder.IsMissing(err) {
		return facts, err
	}
	facts.unfinished = slices.ContainsFunc(entries, IsPending)
	sums, err := r.files.Read(ctx, r.files.At(dir, backup.SumsFile), folder.MaxSums)
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
func (l *look) readLedger(ctx context.Context) error {
	watch := backup.LedgerHead{}
	if l.expected != nil {
		watch = *l.expected
	}
	read, err := l.owner.Ledger().ReadWith(ctx, l.signers, l.trusted, watch)
	if err != nil {
		return err
	}
	l.ledger, l.signers = read.Ledger, read.Signers
	if read.ListFault != nil {
		l.found.Add(fault.BackupDamaged, l.owner.files.At(backup.AllowedSignersFile), "%v", read.ListFault)
	}
	if read.FolderFault != nil {
		l.found.Add(fault.LedgerDamaged, l.owner.files.At(backup.LedgerDir), "%v", read.FolderFault)
		return nil
	}
	l.found.Take(read.Ledger.Findings...)
	l.foreign.Merge(read.Ledger.Foreign)
	l.checkSigners(read)
	return nil
}

// checkSigners judges a list of signing keys on the share that is not the trusted one:
// whether the ledger introduces all that it has beyond that. If so they count as
// trusted.
func (l *look) checkSigners(read ledger.Reading) {
	if !read.Changed {
		return
	}
	name := l.owner.files.At(backup.AllowedSignersFile)
	switch {
	case len(read.Offered) == 0:
		l.found.Add(fault.BackupForged, name, "the list of signing keys on the share was changed")
	case len(read.Ledger.Introduced()) < len(read.Offered):
		l.found.Add(fault.BackupForged, name, "the list of signing keys on the share was changed: it has a key that no trusted key introduced in the ledger; settings show tells whether it is meant")
	}
}

// checkBeside looks at the files that lie beside the backups. They come with the first
// backup.
func (l *look) checkBeside(ctx context.Context) error {
	if l.empty() {
		return nil
	}
	recovery, err := l.owner.CheckRecovery(ctx)
	if err != nil {
		return err
	}
	if recovery != nil {
		l.found.Take(*recovery)
	}
	name := l.owner.files.At(backup.AllowedSignersFile)
	_, err = l.owner.files.Stat(ctx, name)
	switch {
	case folder.IsMissing(err) && l.trusted:
		l.found.Add(fault.BackupDamaged, name, "the file is missing; the next backup writes it again")
	case folder.IsMissing(err):
		l.found.Add(fault.BackupDamaged, name, "the file is missing, so no signature can be checked")
	case err != nil && !folder.IsUnusable(err): // those are said where it is read
		return err
	}
	return nil
}

// belonging are the names in an instance's folder, and whether they are folders.
var belonging = map[string]bool{
	backup.BackupsDir: true, backup.IncomingDir: true, backup.StagingDir: true, backup.LedgerDir: true,
	backup.RecoveryFile: false, backup.AllowedSignersFile: false, backup.ControllerFile: false,
}

func (l *look) checkInstance(ctx context.Context) error {
	if l.only != "" {
		return nil
	}
	entries, err := l.owner.files.List(ctx, l.owner.files.At())
	if err != nil && !folder.IsMissing(err) {
		return err
	}
	for _, entry := range entries {
		isDir, known := belonging[entry.Name]
		switch {
		case ledger.IsArchived(entry.Name) && entry.IsDir:
		case IsClaimLeftover(entry.Name) && !entry.IsDir:
		case !known && !foreign.Instance.Resembles(entry.Name, entry.IsDir):
			l.foreign.Add(l.owner.files.At(entry.Name))
		case !known:
			l.found.Add(fault.BackupUnlisted, l.owner.files.At(entry.Name), "this does not belong into the folder of an instance")
		case isDir != entry.IsDir:
			l.found.Add(fault.BackupDamaged, l.owner.files.At(entry.Name), "a file is in the place of a folder, or a folder in that of a file")
		}
	}
	return nil
}

// checkHead compares the ledger with the head that was kept elsewhere.
func (l *look) checkHead() {
	if l.expected == nil || len(l.signers) == 0 && len(l.ledger.Findings) > 0 { // said already
		return
	}
	if err := l.ledger.CheckHead(*l.expected); err != nil {
		l.found.Add(fault.CodeOf(err), l.owner.Ledger().EntryPath(l.expected.Sequence), "%s", fault.As(err).Message())
	}
}
