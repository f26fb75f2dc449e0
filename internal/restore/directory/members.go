package directory

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"infrabackup/internal/collect/ad/directory"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/restore/directory/identifier"
	"infrabackup/internal/restore/mapping"
)

// member makes a membership of a document: the state is whether the object is in the group.
func (r *Restorer) member(ctx context.Context, b *body, group, first string, d *document, m *mapping.Map) error {
	if group = inTarget(group, m); b.Undo {
		group = b.Group
	}
	name, err := r.nameOf(ctx, group)
	if err != nil {
		return err
	}
	d.Attributes = []attribute{{Name: "member", Link: true}}
	if name == "" && !b.Undo && b.GroupDN != "" { // it may have been made again, and not be looked at yet
		if group, err = r.nameHolder(ctx, b.GroupDN); err != nil {
			return err
		}
		name = b.GroupDN
	}
	if name == "" || group == "" {
		return nil
	}
	d.Group = group
	in, err := r.isMember(ctx, name, d.DN)
	if err == nil && !in {
		in, err = r.isFirst(ctx, name, first)
	}
	if in {
		d.Attributes[0].Values, d.Attributes[0].Names = [][]byte{link(d.GUID, "")}, []string{strings.ToLower(d.DN)}
	}
	return err
}

// isFirst reports whether a group is the one with the relative identifier that an account has as
// its first: it is in it, and cannot be made a member besides.
func (r *Restorer) isFirst(ctx context.Context, group, rid string) (bool, error) {
	e, err := r.conn.ReadObject(ctx, "cannot read "+group, group, []string{"objectSid"})
	return e != nil && rid != "" && identifier.RID(e.Raw("objectSid")) == rid, err
}

// isMember reports whether an object is among the members of a group.
func (r *Restorer) isMember(ctx context.Context, group, dn string) (found bool, err error) {
	err = r.conn.Run(ctx, directory.Search{What: "cannot look for the members of " + group, Base: group, Scope: ldap.ScopeBaseObject, Filter: "(member=" + ldap.EscapeFilter(dn) + ")", Attributes: []string{"objectGUID"}, PageSize: pageSize,
		Entry: func(*directory.Entry) (bool, error) { found = true; return true, nil }})
	return found, err
}

// firsts finds, of the members that a group lacks, those whose first group it is: its member does
// not show them, and refuses them (MS-SAMR 3.1.1.8).
func (r *Restorer) firsts(ctx context.Context, b *body, d *document, sid []byte, m *mapping.Map) error {
	const most = 100 // in one filter
	rid := identifier.RID(sid)
	for _, a := range b.Attributes {
		if !strings.EqualFold(a.Name, "member") || rid == "" {
			continue
		}
		for some := range slices.Chunk(b.missing(a, d, m), most) {
			var any strings.Builder
			for _, value := range some {
				any.WriteString(guidFilter(linkTarget(value)))
			}
			if any.Len() == 0 {
				continue
			}
			if err := r.conn.Run(ctx, directory.Search{
				What: "cannot look for members of " + d.DN, Base: r.domain.name, Scope: ldap.ScopeWholeSubtree, PageSize: pageSize, Attributes: []string{"objectGUID"},
				Filter: "(&(" + primaryGroupID + "=" + rid + ")(|" + any.String() + "))",
				Entry: func(e *directory.Entry) (bool, error) {
					guid, _ := record.FormatGUID(e.Raw("objectGUID"))
					d.Firsts = append(d.Firsts, link(guid, ""))
					return true, nil
				},
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// rdn is the first element of a distinguished name, and parent the rest.
func rdn(dn string) string { first, _ := record.SplitDN(dn); return first }

func parent(dn string) string { _, rest := record.SplitDN(dn); return rest }
