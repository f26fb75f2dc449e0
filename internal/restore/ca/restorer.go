package ca

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ca/openssl"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// DefaultGap is how many numbers are left out where it is not known what was issued.
const DefaultGap = 10_000

// Options are what a restorer can be told.
type Options struct {
	// Gap is how many serial and CRL numbers are left out where the target has no number or
	// one that is behind; DefaultGap when 0. What a CA issued between its last backup and
	// its loss should be below it.
	Gap int64
}

// Restorer brings a CA's folder back. It implements [restore.Restorer].
type Restorer struct {
	dir     string // absolute
	options Options

	// between, when not nil, is called before every change of the file system. Its error is
	// that of the change.
	between func(step string) error
	// free is how many bytes are free for the account in a folder's file system.
	free func(dir string) (uint64, error)
}

var _ restore.Restorer = (*Restorer)(nil)

// New makes a restorer of a folder, which need not be there. CONFIG_INVALID for a folder that
// cannot be meant, or a negative gap; the folder itself is looked at later.
func New(dir string, options Options) (*Restorer, error) {
	if options.Gap == 0 {
		options.Gap = DefaultGap
	}
	absolute, err := filepath.Abs(dir)
	if dir == "" || err != nil || filepath.Dir(absolute) == absolute {
		return nil, fault.New(fault.ConfigInvalid, fmt.Sprintf("%q is no folder of a CA", dir), err)
	}
	if options.Gap < 0 {
		return nil, fault.Newf(fault.ConfigInvalid, "the gap between numbers of the CA is %d, which is negative", options.Gap)
	}
	return &Restorer{dir: absolute, options: options, free: freeBytes}, nil
}

// Service implements [restore.Restorer].
func (r *Restorer) Service() backup.Service { return backup.CA }

// Lanes implements [restore.Restorer].
func (r *Restorer) Lanes() int { return 1 }

// Fingerprint is the SHA-256 of the DER of the target's own certificate: of what its
// configuration names, or else of the newest. It is empty for a folder that is empty, missing,
// or without a CA's certificate. Errors are faults with TARGET_… codes.
func (r *Restorer) Fingerprint(ctx context.Context) (string, error) {
	d, err := r.look(ctx, nil)
	if err != nil {
		return "", err
	}
	if t := newTree(d.Entries); len(t.own) > 0 {
		return t.own[0].Digest, nil
	}
	return "", nil
}

// Live implements [restore.Restorer]: the state is all of the folder but files that nobody
// knows, such as logs, where the backup has none in their place.
func (r *Restorer) Live(ctx context.Context, want restore.Want, _ *mapping.Map) (restore.State, error) {
	names, err := watched(want)
	if err != nil {
		return restore.State{}, err
	}
	d, err := r.look(ctx, names)
	if err != nil {
		return restore.State{}, err
	}
	return d.state()
}

// look reads what is in the folder's place.
func (r *Restorer) look(ctx context.Context, names map[string]bool) (d *document, err error) {
	p, err := r.openPlace()
	if errors.Is(err, fs.ErrNotExist) {
		return &document{}, nil
	}
	if err != nil {
		return nil, classify("open the folder above "+r.dir, err)
	}
	defer p.close(&err)
	return p.read(ctx, p.base, names)
}

// Verdict implements [restore.Restorer].
func (r *Restorer) Verdict(want restore.Want, live restore.State, _ *mapping.Map) restore.Verdict {
	d, err := decodeDocument(live)
	if err != nil {
		return refusal("CA_NOT_A_FOLDER", "the state cannot be read: "+err.Error())
	}
	if d.Problem != nil {
		return refusal(d.Problem.Code, d.Problem.Detail)
	}
	if p, err := decodePutBack(want.Body); err == nil {
		return p.verdict(want, live, d)
	}
	w, err := decodeWanted(want.Body)
	if err != nil {
		return refusal("CA_OTHER", "what is wanted cannot be read: "+err.Error())
	}
	m := merge(w, newTree(d.Entries))
	if m.refused != nil {
		return restore.Verdict{Refused: m.refused}
	}
	v := restore.Verdict{Same: len(m.changes) == 0, Action: restore.Update, Reversible: restore.Reversibility{Grade: restore.Reversible}}
	for _, c := range m.changes {
		v.Fields = append(v.Fields, c.path)
	}
	v.Fields = shorten(v.Fields)
	switch {
	case !live.Exists:
		v.Action, v.Fields = restore.Create, nil
	case m.raised:
		v.Reversible = restore.Reversibility{Grade: restore.PartlyReversible, Why: numbersStay}
	}
	return v
}

const numbersStay = "the next serial and CRL number stay at the higher values"

func refusal(code, detail string) restore.Verdict {
	return restore.Verdict{Refused: &restore.Refusal{Key: folderKey(), Code: code, Detail: detail}}
}

// writeID names a write: what is wanted in the place of what.
func writeID(want restore.Want, live string) string {
	return restore.Digest([]byte(restore.Digest(want.Body) + "\n" + live))[:16]
}

// Inverse implements [restore.Restorer].
func (r *Restorer) Inverse(want restore.Want, before, after restore.State) (restore.Want, restore.Reversibility) {
	inverse := restore.Want{Key: want.Key, Name: want.Name, Stage: want.Stage, Absent: !before.Exists}
	names, err := watched(want)
	if err != nil {
		return restore.Want{}, restore.Reversibility{Grade: restore.Irreversible, Why: err.Error()}
	}
	p := &putBack{ID: writeID(want, before.Digest), After: after.Digest}
	for name := range names {
		p.Watched = append(p.Watched, pathName(name))
	}
	slices.Sort(p.Watched)
	reversible := restore.Reversibility{Grade: restore.Reversible}
	if before.Exists {
		p.Before = before.Document
		if err := p.keepNumbers(before, after); err != nil {
			return restore.Want{}, restore.Reversibility{Grade: restore.Irreversible, Why: err.Error()}
		}
		if len(p.Numbers) > 0 {
			reversible = restore.Reversibility{Grade: restore.PartlyReversible, Why: numbersStay}
		}
	}
	if inverse.Body, err = encodePutBack(p); err != nil {
		return restore.Want{}, restore.Reversibility{Grade: restore.Irreversible, Why: err.Error()}
	}
	return inverse, reversible
}

// keepNumbers notes the numbers that a write raised, which do not go back.
func (p *putBack) keepNumbers(before, after restore.State) error {
	was, err := decodeDocument(before)
	if err != nil {
		return err
	}
	is, err := decodeDocument(after)
	if err != nil {
		return err
	}
	old, now := newTree(was.Entries), newTree(is.Entries)
	for _, name := range []string{now.layout.serial, now.layout.crlNumber} {
		higher, ok, _ := now.number(name)
		lower, had, _ := old.number(name)
		if ok && (!had || higher.Compare(lower) > 0) {
			if p.Numbers == nil {
				p.Numbers = map[string]string{}
			}
			p.Numbers[name] = higher.String()
		}
	}
	return nil
}

// verdict says whether a write was taken back.
func (p *putBack) verdict(want restore.Want, live restore.State, d *document) restore.Verdict {
	v := restore.Verdict{Action: restore.Update, Reversible: restore.Reversibility{Grade: restore.Reversible}}
	if want.Absent {
		v.Action, v.Same = restore.Remove, !live.Exists
	} else {
		v.Same = p.isBack(d)
	}
	if !v.Same && live.Digest != p.After {
		return refusal("CA_ISSUED_SINCE", "the CA is not as the restore left it: something was issued, revoked or changed since, and would be lost")
	}
	return v
}

// isBack reports whether a folder is as it was before, but for the numbers.
func (p *putBack) isBack(d *document) bool {
	before, err := decodeDocument(restore.State{Exists: true, Document: p.Before})
	if err != nil {
		return false
	}
	old, now := newTree(before.Entries), newTree(d.Entries)
	for name, least := range p.Numbers {
		number, ok, _ := now.number(name)
		if want, err := openssl.ParseSerial(least); err != nil || !ok || number.Compare(want) < 0 {
			return false
		}
	}
	return slices.EqualFunc(p.rest(old), p.rest(now), func(a, b entry) bool {
		return a.Path == b.Path && a.Type == b.Type && a.SHA256 == b.SHA256 && a.Target == b.Target
	})
}

// rest are the entries of a folder without its raised numbers.
func (p *putBack) rest(t *tree) []entry {
	return slices.DeleteFunc(slices.Clone(t.entries), func(e entry) bool { _, raised := p.Numbers[string(e.Path)]; return raised })
}
