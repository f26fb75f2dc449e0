package statedir

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/seal"
)

// MaxPlanBytes bounds a plan's file that others may have written.
const MaxPlanBytes = 1 << 30

// maxHeader bounds its first line, which holds the wrapped key.
const maxHeader = 2 << 20

// planMark is what the first line of a plan's file says it is.
const planMark = "infrabackup restore plan 1"

// header is the first line of a plan's file.
type header struct {
	Plan string `json:"plan"`
	Key  []byte `json:"key"` // the wrapped key, an age file
}

// WritePlan writes a plan as a file that the owners of the private halves of the recipients
// can read, and nobody else.
func WritePlan(w io.Writer, plan *restore.Plan, recipients ...seal.Recipient) error {
	key, err := seal.NewBackupKey(recipients...)
	if err != nil {
		return err
	}
	defer key.Forget()
	wrapped, err := key.Wrap(recipients)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(w).Encode(header{Plan: planMark, Key: wrapped}); err != nil {
		return err
	}
	sealed, err := seal.Encrypt(w, key.Recipient())
	if err != nil {
		return err
	}
	return errors.Join(plan.Encode(sealed), sealed.Close())
}

// ReadPlan reads such a file. PLAN_INVALID when it is none or was changed, KEY_DOES_NOT_FIT
// when none of the identities opens it; errors of r are returned as they are.
func ReadPlan(r io.Reader, identities []seal.Identity) (*restore.Plan, error) {
	plan, _, err := readPlan(r, identities)
	return plan, err
}

func readPlan(r io.Reader, identities []seal.Identity) (*restore.Plan, seal.Identity, error) {
	in := bufio.NewReaderSize(io.LimitReader(r, MaxPlanBytes), maxHeader)
	first, err := in.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
		return nil, seal.Identity{}, err
	}
	var h header
	d := json.NewDecoder(bytes.NewReader(first))
	d.DisallowUnknownFields()
	if err != nil || d.Decode(&h) != nil || h.Plan != planMark {
		return nil, seal.Identity{}, fault.New(fault.PlanInvalid, "the file is no plan of a restore, or one of another version", nil)
	}
	key, err := planKey(h.Key, identities)
	if err != nil {
		return nil, seal.Identity{}, changed(err)
	}
	plain, err := seal.Decrypt(in, key)
	if err != nil {
		return nil, seal.Identity{}, changed(err)
	}
	plan, err := restore.DecodePlan(plain)
	return plan, key, changed(err)
}

// planKey is the key of a plan: wrapped to one of the identities, or the only one that there is.
// Who was given a plan's own key and nothing else is to read that plan, and no other.
func planKey(wrapped []byte, identities []seal.Identity) (seal.Identity, error) {
	key, err := seal.OpenBackupKey(wrapped, identities)
	if len(identities) == 1 && fault.CodeOf(err) == fault.KeyDoesNotFit {
		return identities[0], nil
	}
	return key, err
}

// changed is the fault of a plan whose encryption says that it was changed.
func changed(err error) error {
	if fault.CodeOf(err) == fault.BackupDamaged {
		return fault.New(fault.PlanInvalid, "the plan was changed, or cut", err)
	}
	return err
}
