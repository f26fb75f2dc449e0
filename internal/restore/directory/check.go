package directory

import (
	"context"
	"slices"
	"strings"

	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// maxAsked bounds the rights that are remembered.
const maxAsked = 100_000

// Check implements [restore.Restorer]: it asks which classes may be made in a place, and
// which attributes of an object may be changed (MS-ADTS 3.1.1.4.5.5, .7). The right to
// undelete is not shown by a controller, nor is what may be made in a place that the plan
// makes itself.
func (r *Restorer) Check(ctx context.Context, steps []restore.Checked, m *mapping.Map) (refusals []restore.Refusal, err error) {
	err = r.talk(ctx, func() error {
		for _, s := range objectsOf(steps) {
			detail, err := r.missing(ctx, s, m)
			if err != nil {
				return err
			}
			if detail != "" {
				refusals = append(refusals, restore.Refusal{Key: s.Want.Key, Code: refusedRights, Detail: detail})
			}
		}
		return nil
	})
	return refusals, err
}

// missing says which right a step lacks, "" for none.
func (r *Restorer) missing(ctx context.Context, s restore.Checked, m *mapping.Map) (string, error) {
	b, err := decodeBody(s.Want.Body)
	if err != nil {
		return "", err
	}
	d, err := decodeDocument(s.Live)
	if err != nil {
		return "", err
	}
	switch {
	case s.Action == restore.Create && s.Want.Phase == phaseObject:
		dn, err := r.target(ctx, b, m)
		if err != nil {
			return "", err
		}
		allowed, there, err := r.effective(ctx, parent(dn), "allowedChildClassesEffective")
		if err != nil || !there || slices.Contains(allowed, strings.ToLower(b.class())) {
			return "", err
		}
		return "grant the target's account the right to make objects of the class " + b.class() + " in " + parent(dn), nil
	case s.Action == restore.Update:
		if s.Want.Phase == phaseRights {
			may, err := r.mayChangeRights(ctx, b, d)
			if err != nil || may {
				return "", err
			}
			return "grant the target's account the right to change owner and permissions of " + d.DN, nil
		}
		at, names := d.self(), []string{}
		for _, c := range b.diff(d, m) {
			names = append(names, c.Name)
		}
		if strings.HasPrefix(s.Want.Phase, phaseMember) {
			if d.Group == "" {
				return "", nil // the plan makes it
			}
			at = linkBegin + d.Group + linkEnd
		}
		allowed, there, err := r.effective(ctx, at, "allowedAttributesEffective")
		if err != nil || !there {
			return "", err
		}
		for _, name := range names {
			if !slices.Contains(allowed, strings.ToLower(name)) {
				return "grant the target's account the right to write " + name + " of " + d.DN, nil
			}
		}
	}
	return "", nil
}

// effective reads what the account may do somewhere, in lower case.
func (r *Restorer) effective(ctx context.Context, at, attribute string) (allowed []string, there bool, err error) {
	key := attribute + " " + strings.ToLower(at)
	if known, ok := r.asked[key]; ok {
		return known, true, nil
	}
	e, err := r.conn.ReadObject(ctx, "cannot read the rights at "+at, at, []string{attribute})
	if err != nil || e == nil {
		return nil, false, err
	}
	allowed = []string{}
	for _, name := range e.Texts(attribute) {
		allowed = append(allowed, strings.ToLower(name))
	}
	if attribute == "allowedChildClassesEffective" && len(r.asked) < maxAsked {
		r.asked[key] = allowed // many objects lie in one place
	}
	return allowed, true, nil
}
