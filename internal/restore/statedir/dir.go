package statedir

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"

	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/seal"
)

// Names in the folder of a restore.
const (
	planFile   = "plan"
	beforeDir  = "before"
	outcomeDir = "outcome"
)

// maxBatchBytes bounds the file of a batch, encrypted and not.
const maxBatchBytes = 1 << 30

var idPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Dir is the folder of one restore. It implements [restore.Journal]. Its methods may be
// called from several goroutines, for different batches.
type Dir struct {
	folder Folder
	key    seal.Identity
}

// Create makes the folder of a plan in the store, or opens the one that is there, as [Open]
// does. PlanBytes are the whole of the plan's file. Errors are those of the store and of
// [ReadPlan].
func Create(ctx context.Context, store Store, planBytes []byte, identities []seal.Identity) (*Dir, *restore.Plan, error) {
	plan, _, err := readPlan(bytes.NewReader(planBytes), identities)
	if err != nil {
		return nil, nil, err
	}
	id := plan.Header.PlanID
	if err := store.Make(ctx, id); err != nil {
		return nil, nil, err
	}
	folder, err := store.Open(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if err := folder.Create(ctx, planFile, planBytes); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, nil, errors.Join(err, folder.Close())
	}
	return opened(ctx, folder, id, identities)
}

// Open opens the folder of a restore by the plan's ID, or the beginning of it that only one
// has. ITEM_NOT_FOUND when there is none, RESTORE_RUNNING when somebody else has it,
// JOURNAL_INVALID when its plan is not the one of its name, and the errors of the store and
// of [ReadPlan]. A plan can be opened with its own key, too: see [Dir.Key].
func Open(ctx context.Context, store Store, id string, identities []seal.Identity) (*Dir, *restore.Plan, error) {
	name, err := resolve(ctx, store, id)
	if err != nil {
		return nil, nil, err
	}
	folder, err := store.Open(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	return opened(ctx, folder, name, identities)
}

// opened reads the plan of a folder, which is closed when that fails.
func opened(ctx context.Context, folder Folder, id string, identities []seal.Identity) (*Dir, *restore.Plan, error) {
	data, err := folder.Read(ctx, planFile, MaxPlanBytes)
	if errors.Is(err, fs.ErrNotExist) {
		err = fault.Newf(fault.ItemNotFound, "restore %.16s has no plan: making it was ended", id)
	}
	d, plan := &Dir{folder: folder}, (*restore.Plan)(nil)
	if err == nil {
		plan, d.key, err = readPlan(bytes.NewReader(data), identities)
	}
	if err == nil && plan.Header.PlanID != id {
		err = fault.New(fault.JournalInvalid, "the folder "+id+" holds another plan", nil)
	}
	if err != nil {
		return nil, nil, errors.Join(err, folder.Close())
	}
	return d, plan, nil
}

// Key is the plan's own key: who has it can read the plan and its journal, and nothing else.
func (d *Dir) Key() seal.Identity { return d.key }

// resolve makes a plan's ID of its beginning.
func resolve(ctx context.Context, store Store, id string) (string, error) {
	all, err := List(ctx, store)
	if err != nil {
		return "", err
	}
	var found []string
	for _, name := range all {
		if len(id) >= 4 && len(id) <= len(name) && name[:len(id)] == id {
			found = append(found, name)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		f := fault.Newf(fault.ItemNotFound, "there is no restore %q in %s", id, store)
		f.Advice = "Choose one of those that `infrabackup restore list`, or for restores of this machine `infrabackup recover list`, shows."
		return "", f
	}
	return "", fault.Usagef("%q is the beginning of %d restores", id, len(found))
}

// List names the restores of a store by their plans' IDs, sorted.
func List(ctx context.Context, store Store) ([]string, error) {
	names, err := store.List(ctx)
	if err != nil {
		return nil, err
	}
	ids := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !idPattern.MatchString(name) })
	slices.Sort(ids)
	return ids, nil
}

// Close gives the folder up.
func (d *Dir) Close() error { return d.folder.Close() }

func batchFile(dir string, batch int) string { return fmt.Sprintf("%s/%06d.age", dir, batch) }

// PutBefore implements [restore.Journal].
func (d *Dir) PutBefore(ctx context.Context, batch int, before []restore.Before) error {
	return d.put(ctx, batchFile(beforeDir, batch), before)
}

// PutOutcome implements [restore.Journal].
func (d *Dir) PutOutcome(ctx context.Context, batch int, outcomes []restore.Outcome) error {
	return d.put(ctx, batchFile(outcomeDir, batch), outcomes)
}

// Before implements [restore.Journal].
func (d *Dir) Before(ctx context.Context, batch int) (before []restore.Before, ok bool, err error) {
	ok, err = d.get(ctx, batchFile(beforeDir, batch), &before)
	return before, ok, err
}

// Outcome implements [restore.Journal].
func (d *Dir) Outcome(ctx context.Context, batch int) (outcomes []restore.Outcome, ok bool, err error) {
	ok, err = d.get(ctx, batchFile(outcomeDir, batch), &outcomes)
	return outcomes, ok, err
}

// content is the file of a batch. It names itself, so that files cannot be exchanged.
type content struct {
	Name string          `json:"name"`
	List json.RawMessage `json:"list"`
}

func (d *Dir) put(ctx context.Context, name string, list any) error {
	data, err := json.Marshal(list)
	if err != nil {
		return err
	}
	var file bytes.Buffer
	sealed, err := seal.Encrypt(&file, d.key.Public())
	if err != nil {
		return err
	}
	if err := errors.Join(json.NewEncoder(sealed).Encode(content{Name: name, List: data}), sealed.Close()); err != nil {
		return err
	}
	err = d.folder.Create(ctx, name, file.Bytes())
	if errors.Is(err, fs.ErrExist) {
		return fault.New(fault.JournalInvalid, name+" is there already", err)
	}
	return err
}

func (d *Dir) get(ctx context.Context, name string, list any) (bool, error) {
	data, err := d.folder.Read(ctx, name, maxBatchBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	plain, err := seal.Decrypt(bytes.NewReader(data), d.key)
	if err != nil {
		return false, invalid(name, err)
	}
	if data, err = io.ReadAll(plain); err != nil {
		return false, invalid(name, err)
	}
	var c content
	if err := json.Unmarshal(data, &c); err != nil {
		return false, invalid(name, err)
	}
	if c.Name != name {
		return false, fault.New(fault.JournalInvalid, name+" is the file of "+c.Name, nil)
	}
	if err := json.Unmarshal(c.List, list); err != nil {
		return false, invalid(name, err)
	}
	return true, nil
}

func invalid(name string, err error) error {
	return fault.New(fault.JournalInvalid, name+" is not as it was written", err)
}
