package statedir

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"syscall"

	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/seal"
)

// Names in the folder of a restore.
const (
	planFile   = "plan"
	beforeDir  = "before"
	outcomeDir = "outcome"
	lockFile   = "lock"
	partSuffix = ".part"
)

// maxBatchBytes bounds the file of a batch.
const maxBatchBytes = 2 << 30

var idPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Dir is the folder of one restore. It implements [restore.Journal]. Its methods may be
// called from several goroutines, for different batches.
type Dir struct {
	root *os.Root
	key  seal.Identity
	lock *os.File
}

// Create makes the folder of a plan below state, or opens the one that is there, and locks
// it. PlanBytes are the whole of the plan's file. RESTORE_RUNNING when somebody else has it,
// and what [ReadPlan] returns.
func Create(state string, planBytes []byte, identities []seal.Identity) (*Dir, *restore.Plan, error) {
	plan, _, err := readPlan(bytes.NewReader(planBytes), identities)
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, nil, classify("the folder "+state+" cannot be created", err)
	}
	above, err := os.OpenRoot(state)
	if err != nil {
		return nil, nil, classify("the folder "+state+" cannot be opened", err)
	}
	id := plan.Header.PlanID
	err = func() error {
		if err := mkdir(above, id); err != nil {
			return err
		}
		root, err := above.OpenRoot(id)
		if err != nil {
			return classify("the folder of the restore cannot be opened", err)
		}
		defer func() { _ = root.Close() }() // nothing is written through it after write
		if _, err := root.Stat(planFile); err == nil {
			return nil
		}
		for _, name := range []string{beforeDir, outcomeDir} {
			if err := mkdir(root, name); err != nil {
				return err
			}
		}
		return write(root, planFile, func(w io.Writer) error {
			_, err := w.Write(planBytes)
			return err
		})
	}()
	if err = errors.Join(err, above.Close()); err != nil {
		return nil, nil, err
	}
	return Open(state, id, identities)
}

// Open opens the folder of a restore by the plan's ID, or the beginning of it that only one
// has, and locks it. ITEM_NOT_FOUND when there is none, RESTORE_RUNNING when somebody else
// has it, JOURNAL_INVALID when its plan is not the one of its name.
func Open(state, id string, identities []seal.Identity) (d *Dir, plan *restore.Plan, err error) {
	name, err := resolve(state, id)
	if err != nil {
		return nil, nil, err
	}
	root, err := os.OpenRoot(path.Join(state, name))
	if err != nil {
		return nil, nil, classify("the folder of restore "+name+" cannot be opened", err)
	}
	d = &Dir{root: root}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
			d = nil
		}
	}()
	if d.lock, err = root.OpenFile(lockFile, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return d, nil, classify("the lock of restore "+name+" cannot be opened", err)
	}
	if err := syscall.Flock(int(d.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return d, nil, fault.New(fault.RestoreRunning, "the restore "+name+" is open in another process", err)
	}
	f, err := root.Open(planFile)
	if err != nil {
		return d, nil, classify("the plan of restore "+name+" cannot be read", err)
	}
	plan, d.key, err = readPlan(f, identities)
	if err = errors.Join(err, f.Close()); err != nil {
		return d, nil, err
	}
	if plan.Header.PlanID != name {
		return d, nil, fault.New(fault.JournalInvalid, "the folder "+name+" holds another plan", nil)
	}
	return d, plan, nil
}

// resolve makes a plan's ID of its beginning.
func resolve(state, id string) (string, error) {
	all, err := List(state)
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
		return "", fault.Newf(fault.ItemNotFound, "there is no restore %q in %s", id, state)
	}
	return "", fault.Usagef("%q is the beginning of %d restores", id, len(found))
}

// List names the restores of a folder by their plans' IDs, sorted.
func List(state string) ([]string, error) {
	entries, err := os.ReadDir(state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, classify("the folder "+state+" cannot be read", err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && idPattern.MatchString(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// Close releases the folder and its lock.
func (d *Dir) Close() error {
	var err error
	if d.lock != nil {
		err = d.lock.Close()
	}
	return errors.Join(err, d.root.Close())
}

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
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if _, err := d.root.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.JournalInvalid, name+" is there already", err)
	}
	data, err := json.Marshal(list)
	if err != nil {
		return err
	}
	recipient := d.key.Public()
	return write(d.root, name, func(w io.Writer) error {
		sealed, err := seal.Encrypt(w, recipient)
		if err != nil {
			return err
		}
		return errors.Join(json.NewEncoder(sealed).Encode(content{Name: name, List: data}), sealed.Close())
	})
}

func (d *Dir) get(ctx context.Context, name string, list any) (bool, error) {
	if err := context.Cause(ctx); err != nil {
		return false, err
	}
	f, err := d.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, classify(name+" cannot be read", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	plain, err := seal.Decrypt(io.LimitReader(f, maxBatchBytes), d.key)
	if err != nil {
		return false, invalid(name, err)
	}
	data, err := io.ReadAll(plain)
	if err != nil {
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

func classify(what string, err error) error { return fault.New(fault.JournalIO, what, err) }

// mkdir makes a folder for its owner alone, which may be there.
func mkdir(root *os.Root, name string) error {
	if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return classify(name+" cannot be created", err)
	}
	return syncDir(root, ".")
}

// write makes a file beside its place, syncs it and renames it.
func write(root *os.Root, name string, fill func(io.Writer) error) error {
	f, err := root.OpenFile(name+partSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return classify(name+" cannot be written", err)
	}
	err = errors.Join(fill(f), f.Sync())
	if err = errors.Join(err, f.Close()); err != nil {
		return classify(name+" cannot be written", err)
	}
	if err := root.Rename(name+partSuffix, name); err != nil {
		return classify(name+" cannot be put in its place", err)
	}
	return syncDir(root, path.Dir(name))
}

func syncDir(root *os.Root, name string) error {
	dir, err := root.Open(name)
	if err != nil {
		return classify(name+" cannot be opened", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return classify(name+" cannot be synced", err)
	}
	return nil
}
