package repository

import (
	"bytes"
	"context"
	"path"
	"slices"

	"golang.org/x/sync/errgroup"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/foreign"
	"infrabackup/internal/share"
)

// look is one look at everything of an instance but the backups' parts, or at one
// backup and the ledger.
type look struct {
	owner    *Repository
	only     backup.ID          // the one backup, empty for all
	signers  []byte             // empty when none are known
	trusted  bool               // the signers do not come from the share
	changed  bool               // the share's list of signers is not the trusted one
	offered  []string           // keys that it has beyond that
	expected *backup.LedgerHead // nil when it is not known
	found    findings
	foreign  backup.Foreign       // what is not the product's, outside of the backups' folders
	folders  []folderFacts        // newest first
	own      map[backup.ID]string // the backup's own folder, where several have its ID
	ledger   *Ledger
}

// folderFacts is what a look sees of one backup.
type folderFacts struct {
	name       string
	id         backup.ID
	sums       string // digest of SHA256SUMS, empty when it cannot be read
	denied     bool   // the account may not read that
	unfinished bool   // its key was being replaced
	begun      begun  // what finishing that would make of it, where that matters
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
	for _, step := range []func(context.Context) error{l.readFolders, l.readSigners, l.readLedger, l.readBegun, l.checkBeside, l.checkInstance, l.checkStrangers, l.checkAnchors, l.nameWork} {
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
	return now.Sequence == then.Sequence && slices.Equal(l.found.list, other.found.list)
}

// empty reports whether nothing was ever backed up, as far as the share shows.
func (l *look) empty() bool { return len(l.folders) == 0 && len(l.ledger.states) == 0 }

func (l *look) path(name string) string { return l.owner.at(backup.BackupsDir, name) }

func (l *look) readFolders(ctx context.Context) error {
	names, others, err := l.owner.folders(ctx)
	if fault.CodeOf(err) == fault.ShareUnsupported {
		l.found.add(fault.BackupDamaged, l.owner.at(backup.BackupsDir), "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	if l.only == "" {
		l.found.take(others.strange...)
		if err := l.judgeForeign(ctx, others.foreign); err != nil {
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
	group.SetLimit(parallelReads)
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
			_, err := l.owner.store.Stat(ctx, path.Join(where, backup.ManifestFile))
			if err == nil {
				l.found.add(fault.BackupDamaged, where, "this holds a backup, and has a name that no backup has")
				continue
			}
			if !missing(err) && !isStrange(err) {
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
	folder := path.Join(backup.BackupsDir, name)
	entries, err := r.store.List(ctx, r.at(folder))
	if err != nil && !missing(err) {
		return facts, err
	}
	facts.unfinished = slices.ContainsFunc(entries, isUnfinished)
	sums, err := r.read(ctx, r.at(folder, backup.SumsFile), maxSums)
	switch {
	case err == nil:
		facts.sums = describe("", sums).SHA256
	case fault.CodeOf(err) == fault.ShareAccessDenied:
		facts.denied = true // the folder above it was listed
	case !missing(err) && !isStrange(err):
		return facts, err
	}
	return facts, nil
}

// readSigners takes the share's own list when no other is given, and compares the two
// when one is.
func (l *look) readSigners(ctx context.Context) error {
	name := l.owner.at(backup.AllowedSignersFile)
	onShare, err := l.owner.AllowedSigners(ctx)
	damaged := isStrange(err)
	switch {
	case missing(err):
	case err != nil && !damaged:
		return err
	case l.trusted && !bytes.Equal(onShare, l.signers):
		l.changed, l.offered = true, offers(onShare, l.signers) // for checkSigners to judge
	case damaged:
		l.found.add(fault.BackupDamaged, name, "%v", err)
	case !l.trusted:
		l.signers = onShare
	}
	return nil
}

func (l *look) readLedger(ctx context.Context) error {
	watch := backup.LedgerHead{}
	if l.expected != nil {
		watch = *l.expected
	}
	ledger, err := l.owner.readLedger(ctx, l.signers, l.offered, watch)
	if fault.CodeOf(err) == fault.ShareUnsupported {
		l.ledger = &Ledger{states: map[backup.ID]*LedgerState{}}
		l.found.add(fault.LedgerDamaged, l.owner.at(backup.LedgerDir), "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	l.ledger = ledger
	l.found.take(ledger.Findings...)
	l.foreign.Merge(ledger.Foreign)
	l.checkSigners()
	return nil
}

// checkBeside looks at the files that lie beside the backups. They come with the first
// backup.
func (l *look) checkBeside(ctx context.Context) error {
	if l.empty() {
		return nil
	}
	recovery, err := l.owner.recoveryFinding(ctx)
	if err != nil {
		return err
	}
	if recovery != nil {
		l.found.take(*recovery)
	}
	name := l.owner.at(backup.AllowedSignersFile)
	_, err = l.owner.store.Stat(ctx, name)
	switch {
	case missing(err) && l.trusted:
		l.found.add(fault.BackupDamaged, name, "the file is missing; the next backup writes it again")
	case missing(err):
		l.found.add(fault.BackupDamaged, name, "the file is missing, so no signature can be checked")
	case err != nil && !isStrange(err): // those are said where it is read
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
	entries, err := l.owner.store.List(ctx, l.owner.at())
	if err != nil && !missing(err) {
		return err
	}
	for _, entry := range entries {
		isDir, known := belonging[entry.Name]
		switch {
		case isRetiredLedger(entry.Name) && entry.IsDir:
		case isClaimLeftover(entry.Name) && !entry.IsDir:
		case !known && !foreign.Instance.Resembles(entry.Name, entry.IsDir):
			l.foreign.Add(l.owner.at(entry.Name))
		case !known:
			l.found.add(fault.BackupUnlisted, l.owner.at(entry.Name), "this does not belong into the folder of an instance")
		case isDir != entry.IsDir:
			l.found.add(fault.BackupDamaged, l.owner.at(entry.Name), "a file is in the place of a folder, or a folder in that of a file")
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
		l.found.add(fault.CodeOf(err), l.owner.entryPath(l.expected.Sequence), "%s", fault.As(err).Message())
	}
}
