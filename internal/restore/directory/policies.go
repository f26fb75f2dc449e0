package directory

import (
	"context"
	"slices"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/directory/dnsrecord"
	"infrabackup/internal/restore/directory/sysvol"
	"infrabackup/internal/restore/mapping"
)

// isFile reports whether a want is of SYSVOL.
func isFile(want restore.Want) bool { return want.Kind != record.Kind }

// ofPolicies reports whether an object is a group policy, or lies in one.
func ofPolicies(r *record.Record) bool {
	above := "cn=policies,cn=system," + strings.ToLower(r.NamingContext)
	return record.Below(strings.ToLower(r.DN), above) && !strings.EqualFold(r.DN, above)
}

// filesOf are the files that say which version of a policy lies in SYSVOL: a policy without them
// has clients stop at it.
func filesOf(r *record.Record) (needs []restore.Need) {
	for _, e := range r.Edges(nil) {
		if e.Relation == record.RelationPolicyFiles {
			needs = append(needs, restore.Need{Service: backup.AD, Target: e.Target + "/gpt.ini", Relation: e.Relation})
		}
	}
	return needs
}

// liveFile is what SYSVOL holds. Where names are mapped, SIDs are looked for in what is sent.
func (r *Restorer) liveFile(ctx context.Context, want restore.Want, m *mapping.Map) (restore.State, error) {
	name, own, err := r.Domain(ctx)
	if err != nil {
		return restore.State{}, err
	}
	var foreign []string
	if m.Names() == nil {
		r.heads.Range(func(sid, _ any) bool {
			if sid != own {
				foreign = append(foreign, sid.(string))
			}
			return true
		})
	}
	return r.files.Live(ctx, want, dnsrecord.Domain(name), foreign)
}

// objectsOf are the steps that are not of SYSVOL, whose rights are seen when it is written to.
func objectsOf(steps []restore.Checked) []restore.Checked {
	return slices.DeleteFunc(slices.Clone(steps), func(s restore.Checked) bool { return isFile(s.Want) })
}

// noFiles says why files of group policies, and the policies themselves, are not written.
const noFiles = "the target's configuration has no sysvol: true, so that files of group policies cannot be written, and no policy without its files: "

// fileWants are those of an item of SYSVOL.
func (r *Restorer) fileWants(item restore.Item, m *mapping.Map) ([]restore.Want, []restore.Loss, error) {
	lost := func(detail string) []restore.Loss {
		return []restore.Loss{{Key: restore.Key{Service: backup.AD, Kind: item.Kind, ID: item.ID}, Code: lossNotYet, Detail: detail}}
	}
	switch {
	case item.Kind != sysvol.KindFile && item.Kind != sysvol.KindFolder:
		return nil, lost("this version does not write items of the kind " + item.Kind), nil
	case r.files == nil:
		return nil, lost(noFiles + "copy it from the backup to SYSVOL"), nil
	}
	want, why, err := r.files.Wants(item, m)
	if err != nil || why != "" {
		return nil, lost(why), err
	}
	return []restore.Want{want}, nil, nil
}
