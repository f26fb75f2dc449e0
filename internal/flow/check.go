package flow

import (
	"cmp"
	"regexp"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

// Input is what every activity takes. Check makes sure that it is one that this product sends to a worker
// of the instance: IDs have the form of IDs before they become parts of paths, names of files are names, and
// the instance, where one is named, is the worker's own. REQUEST_REFUSED otherwise. Whether it makes sense is not its question.
type Input interface {
	Check(instance string) error
}

// maxCaller bounds who asked for something, as text: what an entry of the ledger takes.
const maxCaller = 1 << 10

var (
	fileName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	workKeyID  = regexp.MustCompile(`^[\x21-\x7e]{1,100}$`)
	digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func notSent(format string, args ...any) error {
	return fault.Newf(fault.RequestRefused, format, args...)
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkInstance(named, own string) error {
	if named != own {
		return notSent("a worker of instance %s was asked to work for instance %.100q", own, named)
	}
	return nil
}

// checkGiven is checkInstance for inputs that name the instance since a later version:
// a step that was scheduled before names none.
func checkGiven(named, own string) error {
	if named == "" {
		return nil
	}
	return checkInstance(named, own)
}

func checkBackup(id backup.ID) error {
	if _, err := backup.ParseID(string(id)); err != nil {
		return fault.New(fault.RequestRefused, "the request names no backup", err)
	}
	return nil
}

func checkRevision(revision int64) error {
	if revision < 1 {
		return notSent("the request names no revision of the settings: %d", revision)
	}
	return nil
}

func checkService(s backup.Service) error {
	if known, err := backup.ParseService(string(s)); err != nil || known != s {
		return notSent("%.100q is no service", s)
	}
	return nil
}

func checkBy(by string) error {
	if len(by) > maxCaller {
		return notSent("the requester's name has %d bytes, at most %d are accepted", len(by), maxCaller)
	}
	return nil
}

func checkWorkKey(id string) error {
	if !workKeyID.MatchString(id) {
		return notSent("the request names no codec key")
	}
	return nil
}

func checkFiles(files ...backup.File) error {
	for _, f := range files {
		if !fileName.MatchString(f.Name) || f.Size < 0 || !digestForm.MatchString(f.SHA256) {
			return notSent("the request describes a file %.100q that no backup has", f.Name)
		}
	}
	return nil
}

// Check implements [Input].
func (in AuditInput) Check(instance string) error { return checkInstance(in.Instance, instance) }

// Check implements [Input].
func (in CheckShareInput) Check(instance string) error {
	return first(checkGiven(in.Instance, instance), checkBackup(in.BackupID))
}

// Check implements [Input].
func (in PrepareKeyInput) Check(string) error {
	return first(checkBackup(in.BackupID), checkRevision(in.Revision))
}

// Check implements [Input].
func (in CollectInput) Check(string) error {
	return first(checkBackup(in.BackupID), checkService(in.Service), checkWorkKey(in.WorkKeyID))
}

// Check implements [Input].
func (in UploadPartInput) Check(string) error {
	return first(checkBackup(in.BackupID), checkRevision(in.Revision), checkService(in.Service), checkFiles(in.Part, in.Index), checkInline(in))
}

func checkInline(in UploadPartInput) error {
	if in.Inline && in.Index.Size > MaxIndexData {
		return notSent("the request asks for a list of items of %d bytes, at most %d are given", in.Index.Size, MaxIndexData)
	}
	return nil
}

// Check implements [Input].
func (in SealBackupInput) Check(string) error {
	err := first(checkBackup(in.BackupID), checkRevision(in.Revision), checkBy(in.RequestedBy), checkWorkKey(in.WorkKeyID),
		checkFiles(in.Key), checkFiles(in.Parts...))
	data := 0
	for _, index := range in.Indexes {
		err = first(err, checkService(index.Service), checkFiles(index.File))
		if data += len(index.Data); err == nil && data > MaxIndexData {
			err = notSent("the request holds lists of items of %d bytes, at most %d are taken", data, MaxIndexData)
		}
	}
	return err
}

// Check implements [Input].
func (in PublishBackupInput) Check(string) error {
	return first(checkBackup(in.BackupID), checkRevision(in.Revision), checkBy(in.RequestedBy), checkFiles(in.Sealed...))
}

// Check implements [Input].
func (in ReleaseSpoolInput) Check(string) error {
	if in.Service == "" {
		return checkBackup(in.BackupID)
	}
	return first(checkBackup(in.BackupID), checkService(in.Service))
}

// Check implements [Input]. A run that was cancelled before it knew a revision means the active one.
func (in DiscardBackupInput) Check(string) error {
	return first(checkBackup(in.BackupID), checkRevision(cmp.Or(in.Revision, 1)))
}

// Check implements [Input].
func (in ProbeShareInput) Check(instance string) error {
	return first(checkGiven(in.Instance, instance), checkRevision(in.Revision))
}

// Check implements [Input].
func (in CopyBackupsInput) Check(instance string) error {
	return first(checkGiven(in.Instance, instance), checkRevision(in.Revision))
}

// Check implements [Input].
func (in SettleChangeInput) Check(instance string) error {
	return first(checkGiven(in.Instance, instance), checkRevision(in.Revision))
}

// Check implements [Input].
func (in AdoptSettingsInput) Check(instance string) error {
	return first(checkInstance(in.Instance, instance), checkBy(in.RequestedBy))
}

// Check implements [Input].
func (in ListInput) Check(instance string) error {
	if in.BackupID == "" {
		return checkInstance(in.Instance, instance)
	}
	return first(checkInstance(in.Instance, instance), checkBackup(in.BackupID))
}

// Check implements [Input].
func (in VerifyInput) Check(instance string) error {
	err := first(checkInstance(in.Instance, instance), checkBackup(in.BackupID))
	if err == nil && (in.Found != "" || in.Sequence != 0) && (!in.BackupOnly || in.Sequence < 0 || len(in.Found) > maxCode) {
		err = notSent("the request says what no audit can have found")
	}
	return err
}

// maxCode bounds the code of a finding, in bytes.
const maxCode = 100

// Check implements [Input].
func (in DeleteInput) Check(instance string) error {
	return first(checkInstance(in.Instance, instance), checkBackup(in.BackupID), checkBy(in.RequestedBy))
}

// Check implements [Input].
func (in DiagnoseInput) Check(instance string) error { return checkInstance(in.Instance, instance) }

// Check implements [Input].
func (in RewrapInput) Check(instance string) error {
	err := first(checkInstance(in.Instance, instance), checkRevision(in.Revision), checkBy(in.RequestedBy))
	if len(in.Keys) > RewrapBatch {
		err = first(err, notSent("%d keys are to be replaced at once, at most %d are taken", len(in.Keys), RewrapBatch))
	}
	seen := map[backup.ID]bool{}
	for _, key := range in.Keys {
		err = first(err, checkBackup(key.BackupID))
		if seen[key.BackupID] {
			err = first(err, notSent("the key of backup %s is to be replaced twice at once", key.BackupID))
		}
		seen[key.BackupID] = true
	}
	return err
}

// Check implements [Input].
func (in ChallengeInput) Check(instance string) error {
	err := first(checkInstance(in.Instance, instance), checkRevision(in.Revision))
	if len(in.Backups) > RewrapBatch {
		err = first(err, notSent("%d backups are to be challenged at once, at most %d are taken", len(in.Backups), RewrapBatch))
	}
	for _, id := range in.Backups {
		err = first(err, checkBackup(id))
	}
	return err
}

// Check implements [Input].
func (in ReencryptInput) Check(instance string) error {
	err := first(checkInstance(in.Instance, instance), checkRevision(in.Revision), checkBackup(in.BackupID), checkBy(in.RequestedBy))
	if !digestForm.MatchString(in.Staged) {
		err = first(err, notSent("the request does not name what was staged"))
	}
	return err
}

// Check makes sure that the move is one that a ledger can make: its heads name entries,
// and it goes forward, or from the first entry again. SETTINGS_INVALID otherwise.
func (in LedgerAdvance) Check() error {
	none := backup.LedgerHead{}
	switch {
	case in.Share == "" || len(in.Share) > share.MaxPath*2 || !headForm(in.To) || in.From != none && !headForm(in.From):
		return fault.Newf(fault.SettingsInvalid, "the ledger cannot move to nowhere")
	case in.Anew && in.To.Sequence != 1:
		return fault.Newf(fault.SettingsInvalid, "a ledger does not begin with entry %d", in.To.Sequence)
	case !in.Anew && in.From != in.To && in.To.Sequence <= in.From.Sequence:
		return fault.Newf(fault.SettingsInvalid, "the ledger cannot go from entry %d back to %d", in.From.Sequence, in.To.Sequence)
	}
	return checkBy(in.By)
}

func headForm(h backup.LedgerHead) bool {
	return h.Sequence >= 1 && h.Sequence <= backup.MaxLedgerEntries && digestForm.MatchString(h.SHA256)
}

// Check makes sure that a restoration can be meant. SETTINGS_INVALID otherwise.
func (in SettingsRestoration) Check() error {
	if in.Revision < 1 || in.Above < 0 || in.Above > MaxRevision || len(in.What) > maxCaller {
		return fault.Newf(fault.SettingsInvalid, "revision %d of the settings cannot be restored above revision %d", in.Revision, in.Above)
	}
	return checkBy(in.By)
}
