package ca

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// spareBytes are left free beside what is written.
const spareBytes = 16 << 20

// Check implements [restore.Restorer].
func (r *Restorer) Check(ctx context.Context, steps []restore.Checked, m *mapping.Map) (refusals []restore.Refusal, err error) {
	for _, step := range steps {
		code, detail, err := r.check(ctx, step, m)
		if err != nil {
			return nil, err
		}
		if code != "" {
			refusals = append(refusals, restore.Refusal{Key: step.Want.Key, Code: code, Detail: detail})
		}
	}
	return refusals, nil
}

func (r *Restorer) check(ctx context.Context, step restore.Checked, m *mapping.Map) (code, detail string, err error) {
	above := filepath.Dir(r.dir)
	mount, err := isMountPoint(r.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", classify("look at "+r.dir, err)
	}
	if mount {
		return "CA_MOUNT_POINT", r.dir + " is a mount point, and cannot be exchanged: keep the CA in a folder below it", nil
	}
	if _, err := os.Stat(above); errors.Is(err, fs.ErrNotExist) {
		return "CA_NO_PLACE", above + ", where the new folder is made, is not there: create it, or mount what it is on", nil
	}
	if !mayWrite(above) {
		return "NOT_PERMITTED", "the account may not write to " + above + ", where the new folder is made: give it the right", nil
	}
	now, err := r.Live(ctx, step.Want, m)
	if err != nil {
		return "", "", err
	}
	if now.Digest != step.Live.Digest {
		return "CA_IN_USE", r.dir + " changed between two looks: stop the service of the CA", nil
	}
	need := r.needs(step.Want, step.Live)
	free, err := r.free(above)
	if err != nil {
		return "", "", classify("free space of "+above, err)
	}
	if free < need {
		return "DISK_FULL", fmt.Sprintf("the file system of %s has %d bytes free, and %d are needed", above, free, need), nil
	}
	return "", "", nil
}

// needs is how many bytes a write takes.
func (r *Restorer) needs(want restore.Want, live restore.State) uint64 {
	need := uint64(spareBytes)
	w, err := decodeWanted(want.Body)
	if err != nil {
		return need // an undo, which writes two numbers
	}
	d, err := decodeDocument(live)
	if err != nil {
		return need
	}
	for _, c := range merge(w, newTree(d.Entries)).changes {
		need += uint64(len(c.content)) + 4096
	}
	return need
}
