package repository

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
)

const (
	// maxClaim bounds controller.json.
	maxClaim = 4 << 10
	// maxClaimTries is how often another controller may come first.
	maxClaimTries = 3
)

// claim is the content of controller.json: who writes to the instance's folder.
type claim struct {
	ControllerID string    `json:"controllerId"` // GUID
	Instance     string    `json:"instance"`     // short name
	Since        time.Time `json:"since"`        // UTC
}

// decodeClaim reads a controller.json that others may have written.
func decodeClaim(data []byte) (claim, error) {
	var c claim
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return claim{}, fmt.Errorf("decode %s: %w", backup.ControllerFile, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return claim{}, fmt.Errorf("decode %s: something follows it", backup.ControllerFile)
	}
	if _, err := backup.ParseID(c.ControllerID); err != nil {
		return claim{}, fmt.Errorf("decode %s: the controller is no GUID", backup.ControllerFile)
	}
	if err := backup.ValidateInstanceName(c.Instance); err != nil {
		return claim{}, fmt.Errorf("decode %s: %w", backup.ControllerFile, err)
	}
	return c, nil
}

// Claim makes sure that no other controller writes to the instance's folder: it enters
// the controller, a GUID, when nobody was there before, and is success when it is
// entered. INSTANCE_OCCUPIED, saying what was found, when another one is entered, when
// the entry cannot be read, or when backups or a ledger are there that nobody claims; a
// lost entry is written again when the newest entry of the ledger is the controller's
// own. It keeps from accidents: whoever can write to the share can change the entry.
func (r *Repository) Claim(ctx context.Context, controller string) error {
	for range maxClaimTries {
		entered, err := r.Claimable(ctx, controller)
		if err != nil || entered {
			return err
		}
		if done, err := r.writeClaim(ctx, controller); err != nil || done {
			return err
		}
	}
	return r.occupied("others enter and leave it")
}

// Claimable is [Repository.Claim] without writing anything: it reports whether the controller
// is entered, and refuses what Claim refuses.
func (r *Repository) Claimable(ctx context.Context, controller string) (entered bool, err error) {
	found, err := r.claimed(ctx)
	if err != nil {
		return false, err
	}
	if found != nil {
		return true, r.ours(*found, controller)
	}
	return false, r.free(ctx, controller)
}

// ClaimSeen is [Repository.Claim] right behind [Repository.Claimable], which found nobody: it
// does not look again unless another controller was faster, whose entry it never replaces.
func (r *Repository) ClaimSeen(ctx context.Context, controller string) error {
	if done, err := r.writeClaim(ctx, controller); err != nil || done {
		return err
	}
	return r.Claim(ctx, controller)
}

// TakeOver enters the controller, a GUID, whoever was entered before. It may be
// repeated.
func (r *Repository) TakeOver(ctx context.Context, controller string) error {
	for range maxClaimTries {
		found, err := r.claimed(ctx)
		if err != nil && fault.CodeOf(err) != fault.InstanceOccupied {
			return err
		}
		if found != nil && r.ours(*found, controller) == nil {
			return nil
		}
		if err := r.files.Remove(ctx, r.files.At(backup.ControllerFile)); err != nil {
			return err
		}
		if done, err := r.writeClaim(ctx, controller); err != nil || done {
			return err
		}
	}
	return r.occupied("others enter and leave it")
}

// claimed returns who is entered, nil for nobody.
func (r *Repository) claimed(ctx context.Context) (*claim, error) {
	data, err := r.files.Read(ctx, r.files.At(backup.ControllerFile), maxClaim)
	switch {
	case folder.IsMissing(err):
		return nil, nil
	case fault.CodeOf(err) == fault.BackupDamaged:
		return nil, r.occupied(err.Error())
	case err != nil:
		return nil, err
	}
	c, err := decodeClaim(data)
	if err != nil {
		return nil, r.occupied(err.Error())
	}
	return &c, nil
}

func (r *Repository) ours(c claim, controller string) error {
	if c.Instance != r.files.Instance() {
		return r.occupied("its " + backup.ControllerFile + " is of instance " + c.Instance)
	}
	if c.ControllerID != controller {
		return r.occupied(fmt.Sprintf("controller %s writes here since %s", c.ControllerID, c.Since.UTC().Format(time.RFC3339)))
	}
	return nil
}

func (r *Repository) occupied(why string) error {
	return fault.Newf(fault.InstanceOccupied, "%s is in use: %s", r, why)
}

// free makes sure that nothing is there that a controller must have written, unless the
// ledger says that it was this one.
func (r *Repository) free(ctx context.Context, controller string) error {
	backups, _, err := r.Folders(ctx)
	if err != nil {
		return err
	}
	found, err := r.Ledger().Trace(ctx)
	if err != nil {
		return err
	}
	if found.Newest > 0 {
		author, err := r.Ledger().Author(ctx, found.Newest)
		if err != nil || author == controller {
			return err
		}
		if author != "" {
			return r.occupied("the ledger's newest entry is by controller " + author)
		}
	}
	if found.Files > 0 || len(backups) > 0 {
		return r.occupied(fmt.Sprintf("no controller is entered, and it holds %d backups and %d files of a ledger", len(backups), found.Files))
	}
	return nil
}

// writeClaim writes controller.json. It reports false when somebody else did
// meanwhile.
func (r *Repository) writeClaim(ctx context.Context, controller string) (bool, error) {
	if _, err := backup.ParseID(controller); err != nil {
		return false, fault.New(fault.Internal, "enter the controller", err)
	}
	data, err := json.Marshal(claim{ControllerID: controller, Instance: r.files.Instance(), Since: r.now().UTC()})
	if err != nil {
		return false, fault.New(fault.Internal, "enter the controller", err)
	}
	if err := r.files.MkdirAll(ctx, r.files.At()); err != nil {
		return false, err
	}
	return r.files.CreateExclusive(ctx, r.files.At(backup.ControllerFile), append(data, '\n'))
}

// IsClaimLeftover reports whether the name is that of a controller.json that did not
// get its name.
func IsClaimLeftover(name string) bool {
	final, temporary := folder.FinalName(name)
	return temporary && final == backup.ControllerFile
}
