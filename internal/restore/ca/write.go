package ca

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"path"
	"regexp"

	"infrabackup/internal/collect/ca/openssl"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// What stands behind the folder's name, and the ID of a write behind it.
const (
	newSuffix     = ".new-"     // is made, and never was the CA
	beforeSuffix  = ".before-"  // was the CA, or is about to be
	removedSuffix = ".removed-" // is taken away
)

// maxBefore bounds how many folders are kept of writes with one ID.
const maxBefore = 99

// swap is the way from one folder to the next.
type swap struct {
	*Restorer
	*place
	id      string
	names   map[string]bool // that states are about
	expect  string          // digest of the state that is replaced
	from    string          // folder whose entries are kept; empty for none
	changes []change
	unknown map[string]bool      // files of the target that no state is about, and that stay
	same    func(*document) bool // what the new folder has to be
}

// Write implements [restore.Restorer].
func (r *Restorer) Write(ctx context.Context, want restore.Want, _ restore.Verdict, live restore.State, _ *mapping.Map) (err error) {
	p, err := r.openPlace()
	if err != nil {
		return classify("open the folder above "+r.dir, err)
	}
	defer p.close(&err)
	names, err := watched(want)
	if err != nil {
		return fault.New(fault.TargetRefused, "what is wanted of the CA", err)
	}
	s := &swap{Restorer: r, place: p, id: writeID(want, live.Digest), names: names, expect: live.Digest}
	if back, err := decodePutBack(want.Body); err == nil {
		if want.Absent {
			return s.remove(ctx, back)
		}
		return s.putBack(ctx, back)
	}
	w, err := decodeWanted(want.Body)
	if err != nil {
		return fault.New(fault.TargetRefused, "what is wanted of the CA", err)
	}
	d, err := decodeDocument(live)
	if err != nil {
		return fault.New(fault.TargetRefused, "the state of the CA", err)
	}
	m := merge(w, newTree(d.Entries))
	if m.refused != nil {
		return fault.Newf(fault.TargetRefused, "%s: %s", m.refused.Code, m.refused.Detail)
	}
	s.from, s.changes = p.base, m.changes
	s.same = func(d *document) bool {
		again := merge(w, newTree(d.Entries))
		return d.Problem == nil && again.refused == nil && len(again.changes) == 0
	}
	return s.carryOut(ctx)
}

// step is called before every change of the file system.
func (s *swap) step(format string, args ...any) error {
	if s.between == nil {
		return nil
	}
	return s.between(fmt.Sprintf(format, args...))
}

// unmoved makes sure that a folder has the state that is replaced.
func (s *swap) unmoved(ctx context.Context, folder string) error {
	d, err := s.read(ctx, folder, s.names)
	if err != nil {
		return err
	}
	state, err := d.state()
	if err != nil {
		return err
	}
	if state.Digest != s.expect {
		return fault.Newf(fault.RestoreConflict, "the CA in %s changed meanwhile: stop its service, and make a new plan", s.Restorer.dir)
	}
	return nil
}

// carryOut makes the new folder and puts it into the place of the old one.
func (s *swap) carryOut(ctx context.Context) error {
	if err := s.sweep(); err != nil {
		return err
	}
	if err := s.unmoved(ctx, s.base); err != nil {
		return err
	}
	before, err := s.freeName(ctx)
	if err != nil {
		return err
	}
	fresh := s.base + newSuffix + s.id
	if err := s.prepare(ctx, fresh); err != nil {
		return errors.Join(err, s.discard(fresh))
	}
	return s.install(ctx, fresh, before)
}

// prepare makes the new folder, and makes sure that it is what is wanted.
func (s *swap) prepare(ctx context.Context, fresh string) error {
	if err := s.build(ctx, fresh); err != nil {
		return classify("make "+path.Join(s.place.dir, fresh), err)
	}
	made, err := s.read(ctx, fresh, s.names)
	if err != nil {
		return err
	}
	if !s.same(made) {
		return fault.Newf(fault.TargetFailed, "%s is not as it was written", path.Join(s.place.dir, fresh))
	}
	return s.unmoved(ctx, s.base)
}

// install puts a folder that is whole into the place of the old one, which is kept.
func (s *swap) install(ctx context.Context, fresh, before string) error {
	_, err := s.root.Lstat(s.base)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return classify("look at "+s.Restorer.dir, err)
	}
	if missing {
		if err = s.step("install %s", fresh); err == nil {
			err = s.moveTo(fresh, s.base)
		}
		if err != nil {
			return errors.Join(classify("put the new folder into its place", err), s.discard(fresh))
		}
		return s.flushNames()
	}
	// Under this name the old folder is kept: it has it from the moment of the exchange.
	if err = s.step("keep as %s", before); err == nil {
		err = s.moveTo(fresh, before)
	}
	if err != nil {
		return errors.Join(classify("name the new folder", err), s.discard(fresh))
	}
	if err = s.step("exchange with %s", before); err == nil {
		err = s.exchange(s.base, before)
	}
	if err != nil {
		return errors.Join(classify("exchange the folders; the file system has to be one that can, such as ext4, xfs or btrfs", err), s.withdraw(ctx, before, fresh))
	}
	if err := s.flushNames(); err != nil {
		return err // the exchange was made; whether it lasts is found by what is live
	}
	if err := s.step("compare %s", before); err != nil {
		return classify("compare", err)
	}
	if err := s.unmoved(ctx, before); err != nil {
		// The CA worked until the exchange: what it did is not to be lost.
		if back := s.exchange(s.base, before); back != nil {
			return errors.Join(err, classify("put the CA back, which is in "+path.Join(s.place.dir, before), back))
		}
		return errors.Join(err, s.withdraw(ctx, before, fresh))
	}
	return nil
}

// withdraw throws a folder away that was made, and has the name of one that is kept. One that
// was the CA is never taken for it: nothing is written where it is as it is wanted.
func (s *swap) withdraw(ctx context.Context, before, fresh string) error {
	d, err := s.read(ctx, before, s.names)
	if err != nil {
		return err
	}
	if !s.same(d) {
		return fault.Newf(fault.TargetFailed, "%s is not the folder that was made, and is left where it is", path.Join(s.place.dir, before))
	}
	if err := s.moveTo(before, fresh); err != nil {
		return classify("name "+before, err)
	}
	return s.discard(fresh)
}

// discard removes a folder that was made, and is not used.
func (s *swap) discard(name string) error {
	if err := s.root.RemoveAll(name); err != nil {
		return classify("remove "+path.Join(s.place.dir, name), err)
	}
	return nil
}

// sweep removes what writes that were ended have left: folders that never were the CA, and
// those that were taken away.
func (s *swap) sweep() error {
	ours := regexp.MustCompile(`^` + regexp.QuoteMeta(s.base) + `(\.new|\.removed)-[0-9a-f]{16}$`)
	names, err := s.list(".")
	if err != nil {
		return classify("list "+s.place.dir, err)
	}
	for _, name := range names {
		if !ours.MatchString(name) || name == s.base+removedSuffix+s.id {
			continue
		}
		if err := s.step("sweep %s", name); err != nil {
			return classify("sweep", err)
		}
		if err := s.discard(name); err != nil {
			return err
		}
	}
	return nil
}

// freeName finds the name under which the old folder is kept. A write that was ended before
// its exchange has left the new folder under such a name; it is thrown away.
func (s *swap) freeName(ctx context.Context) (string, error) {
	for n := 1; n <= maxBefore; n++ {
		name := s.beforeName(s.id, n)
		if _, err := s.root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", classify("look at "+path.Join(s.place.dir, name), err)
		}
		d, err := s.read(ctx, name, s.names)
		if err != nil {
			return "", err
		}
		if s.same(d) {
			if err := s.step("withdraw %s", name); err != nil {
				return "", classify("withdraw", err)
			}
			return name, s.withdraw(ctx, name, s.base+newSuffix+s.id)
		}
	}
	return "", fault.Newf(fault.TargetRefused, "%s%s%s and %d like it are there: remove what is not needed any more", path.Join(s.place.dir, s.base), beforeSuffix, s.id, maxBefore-1)
}

func (p *place) beforeName(id string, n int) string {
	name := p.base + beforeSuffix + id
	if n > 1 {
		name += fmt.Sprintf("-%d", n)
	}
	return name
}

// kept finds the folder that a write has kept, by its state.
func (s *swap) kept(ctx context.Context, id, digest string) (string, error) {
	for n := 1; n <= maxBefore; n++ {
		name := s.beforeName(id, n)
		if info, err := s.root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil || !info.IsDir() {
			return "", classify("look at "+path.Join(s.place.dir, name), errors.Join(err))
		}
		d, err := s.read(ctx, name, s.names)
		if err != nil {
			return "", err
		}
		state, err := d.state()
		if err != nil {
			return "", err
		}
		if state.Digest == digest {
			return name, nil
		}
	}
	return "", nil
}

// putBack makes the folder as it was before a write, but for the numbers.
func (s *swap) putBack(ctx context.Context, back *putBack) error {
	from, err := s.kept(ctx, back.ID, restore.Digest(back.Before))
	if err != nil {
		return err
	}
	if from == "" {
		return fault.Newf(fault.TargetRefused, "CA_BEFORE_MISSING: %s%s, the folder from before the restore, is not there or was changed", path.Join(s.place.dir, s.base), beforeSuffix+back.ID)
	}
	if s.unknown, err = s.unknownFiles(ctx); err != nil {
		return err
	}
	s.from, s.same = from, back.isBack
	for name, number := range back.Numbers {
		if _, err := openssl.ParseSerial(number); err != nil {
			return fault.New(fault.TargetRefused, "the number to keep for "+name, err)
		}
		s.changes = append(s.changes, change{path: name, typ: typeFile, mode: 0, content: []byte(number + "\n")})
	}
	return s.carryOut(ctx)
}

// unknownFiles are those of the target that nobody knows.
func (s *swap) unknownFiles(ctx context.Context) (map[string]bool, error) {
	all, err := s.read(ctx, s.base, nil)
	if err != nil {
		return nil, err
	}
	known, err := s.read(ctx, s.base, s.names)
	if err != nil {
		return nil, err
	}
	unknown := map[string]bool{}
	for _, e := range all.Entries {
		unknown[string(e.Path)] = true
	}
	for _, e := range known.Entries {
		delete(unknown, string(e.Path))
	}
	return unknown, nil
}

// remove takes away what a write made in an empty place.
func (s *swap) remove(ctx context.Context, back *putBack) error {
	if err := s.sweep(); err != nil {
		return err
	}
	if err := s.unmoved(ctx, s.base); err != nil {
		return err
	}
	gone := s.base + removedSuffix + s.id
	if err := s.emptyFolder(ctx, back, gone); err != nil {
		return err
	}
	if err := s.step("take away %s", s.base); err != nil {
		return classify("take the CA away", err)
	}
	var err error
	if _, missing := s.root.Lstat(gone); errors.Is(missing, fs.ErrNotExist) {
		err = s.moveTo(s.base, gone)
	} else {
		err = s.exchange(s.base, gone)
	}
	if err != nil {
		return classify("take the CA away", err)
	}
	if err := s.flushNames(); err != nil {
		return err
	}
	if err := s.unmoved(ctx, gone); err != nil {
		if _, missing := s.root.Lstat(s.base); errors.Is(missing, fs.ErrNotExist) {
			return errors.Join(err, classify("put the CA back", s.moveTo(gone, s.base)))
		}
		return errors.Join(err, classify("put the CA back", s.exchange(s.base, gone)))
	}
	if err := s.step("remove %s", gone); err != nil {
		return classify("remove", err)
	}
	return s.discard(gone)
}

// emptyFolder brings the empty folder that was in the CA's place under the name that the CA
// gets, unless there was none.
func (s *swap) emptyFolder(ctx context.Context, back *putBack, gone string) error {
	if d, err := s.read(ctx, gone, s.names); err != nil {
		return err
	} else if _, missing := s.root.Lstat(gone); missing == nil && len(d.Entries) == 0 && d.Problem == nil {
		return nil // an undo that was ended did so
	} else if missing == nil {
		if err := s.discard(gone); err != nil { // a CA that was taken away, and not removed
			return err
		}
	}
	empty, err := s.kept(ctx, back.ID, restore.AbsentDigest)
	if err != nil {
		return err
	}
	unknown, err := s.unknownFiles(ctx)
	if err != nil {
		return err
	}
	for name := range unknown {
		if _, err := s.root.Lstat(path.Join(empty, name)); empty == "" || err != nil {
			return fault.Newf(fault.TargetRefused, "CA_ISSUED_SINCE: %s came into the folder after the restore, and would be removed with it: move it away", path.Join(s.Restorer.dir, name))
		}
	}
	if empty == "" {
		return nil
	}
	if err := s.step("take %s", empty); err != nil {
		return classify("take the empty folder", err)
	}
	return classify("take the empty folder", s.moveTo(empty, gone))
}
