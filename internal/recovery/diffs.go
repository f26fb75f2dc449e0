package recovery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/diff/diffpage"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diffs"
	"infrabackup/internal/privsep"
	"infrabackup/internal/secret"
)

// Comparing is what is asked of an instance for comparisons. [control.Controller] documents the
// methods.
type Comparing interface {
	KeyFile(ctx context.Context, id backup.ID) (flow.KeyFileOutput, error)
	BeginDiff(ctx context.Context, in diffs.Input) (control.Begun, error)
	Diff(ctx context.Context, id string) (diffs.Output, error)
}

// Diffs are the comparisons of two backups of one instance that callers ask for. It keeps no key.
// Fields are required.
type Diffs struct {
	Control Comparing
	Keys    Keys
}

// DiffRequest is what is to be compared.
type DiffRequest struct {
	A, B     backup.ID
	Services []backup.Service // empty for all
}

// Compare begins to compare two backups: A, which key opens, with B, which keyOfB opens, or key as
// well where that is nil. The keys are not changed and not kept. An error of a key names its side.
// Errors are those of [privsep.KeyOpener.OpenKey] and of the methods of [Comparing], and USAGE for
// a backup that is to be compared with itself.
func (d Diffs) Compare(ctx context.Context, r DiffRequest, key privsep.OperatorKey, keyOfB *privsep.OperatorKey, by string) (control.Begun, error) {
	if r.A == r.B {
		return control.Begun{}, fault.Usagef("a backup does not differ from itself: name two")
	}
	if keyOfB == nil {
		keyOfB = &key
	}
	in := diffs.Input{Services: r.Services, RequestedBy: by, Reader: readerOf(by)}
	for _, side := range []struct {
		id  backup.ID
		key privsep.OperatorKey
		to  *diffs.Side
	}{{r.A, key, &in.A}, {r.B, *keyOfB, &in.B}} {
		file, err := d.Control.KeyFile(ctx, side.id)
		if err != nil {
			return control.Begun{}, &SideError{side.id, err}
		}
		opened, err := d.Keys.OpenKey(ctx, side.key, file.KeyAge, file.Public)
		if err != nil {
			return control.Begun{}, &SideError{side.id, err}
		}
		*side.to = diffs.Side{BackupID: side.id, Key: secret.NewTransfer(opened.Key.Text())}
	}
	begun, err := d.Control.BeginDiff(ctx, in)
	if err == nil && begun.ID == "" {
		err = fault.Newf(fault.AnswerRefused, "the comparison has no ID")
	}
	return begun, err
}

// readerOf tells callers apart by the whole of their names.
func readerOf(by string) string {
	digest := sha256.Sum256([]byte("reader of a comparison\x00" + by))
	return hex.EncodeToString(digest[:])
}

// SideError is why one of the two backups could not be opened.
type SideError struct {
	Backup backup.ID
	Err    error
}

// Error implements error.
func (e *SideError) Error() string { return "backup " + string(e.Backup) + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *SideError) Unwrap() error { return e.Err }

// Page reads a page of what a comparison has found, for the caller who gave the keys for it:
// KEY_NOT_HELD for any other, as with plans. Errors are those of [Comparing].
func (d Diffs) Page(ctx context.Context, id string, q diffpage.Query, by string) (diffpage.Page, error) {
	out, err := d.Control.Diff(ctx, id)
	if err != nil {
		return diffpage.Page{}, err
	}
	if out.Reader != readerOf(by) {
		f := fault.Newf(fault.KeyNotHeld, "another caller gave the keys for the comparison %.40s", id)
		f.Advice = "Compare the backups yourself, with your own key."
		return diffpage.Page{}, f
	}
	return diffpage.Of(out.Report, q), nil
}
