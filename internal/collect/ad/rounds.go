package ad

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"infrabackup/internal/collect/ad/directory"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/fault"
)

// maxChanged bounds the objects that change during one round.
const maxChanged = 200_000

// everything reads all naming contexts, and again what changed meanwhile.
func (r *reading) everything(ctx context.Context) error {
	together := min(maxConnections, len(r.root.contexts))
	if err := r.readTogether(ctx, r.root.contexts[:together]); err != nil {
		return err
	}
	for _, dn := range r.root.contexts[together:] {
		if err := r.readTree(ctx, dn, dn, "(objectClass=*)"); err != nil {
			return err
		}
	}
	covered, rounds, quiet := r.root.usn, 0, false
	for {
		now, err := r.sameController(ctx, covered)
		if err != nil {
			return err
		}
		quiet = now.usn == covered
		if quiet || rounds == r.config.MaxRounds {
			for _, dn := range r.root.contexts {
				if !r.heads[strings.ToLower(dn)] {
					return fault.Newf(fault.SourceIncomplete, "%s gave no object of the name %s, which that naming context has", r.conn.Host, dn)
				}
			}
			if len(r.owed) > 0 {
				return fault.Newf(fault.SourceIncomplete, "%s listed %d objects that it gives to no reader, and does not report that they were deleted", r.conn.Host, len(r.owed))
			}
			r.cursor = map[string]string{
				"server": r.root.server, "invocationId": r.invocation,
				"usnBefore":  strconv.FormatUint(r.root.usn, 10),
				"usnCovered": strconv.FormatUint(covered, 10),
				"usnAfter":   strconv.FormatUint(now.usn, 10),
				"rounds":     strconv.Itoa(rounds), "quiet": strconv.FormatBool(quiet),
			}
			return nil
		}
		if err := r.readChanged(ctx, now, covered+1); err != nil {
			return err
		}
		covered = now.usn
		rounds++
	}
}

// sameController makes sure that the answers still come from the same database, and
// that it was not set back.
func (r *reading) sameController(ctx context.Context, covered uint64) (*rootDSE, error) {
	now, err := readRootDSE(ctx, r.conn)
	if err != nil {
		return nil, err
	}
	invocation, err := readInvocation(ctx, r.conn, now)
	if err != nil {
		return nil, err
	}
	if invocation != r.invocation || now.usn < covered {
		return nil, fault.Newf(fault.SourceRestored, "%s was restored while it was read: its invocationId was %s at USN %d and is %s at USN %d",
			r.conn.Host, r.invocation, covered, invocation, now.usn)
	}
	if !slices.Equal(now.contexts, r.root.contexts) {
		return nil, fault.Newf(fault.SourceChanging, "%s holds other naming contexts than when the capture began", r.conn.Host)
	}
	return now, nil
}

// readChanged reads what has at least the given USN, deleted objects included, and
// then what lies below, where a name on the way may have changed.
func (r *reading) readChanged(ctx context.Context, now *rootDSE, usn uint64) error {
	names, err := r.attributeNames(ctx, r.conn, now, r.invocation)
	if err != nil {
		return err
	}
	r.names = names
	for _, dn := range r.root.contexts {
		var changed []string
		r.emit = func(o *object, again bool) error {
			if again && !o.deleted && o.name != dn {
				if changed = append(changed, o.id); len(changed) > maxChanged {
					return fault.Newf(fault.SourceChanging, "more than %d objects of %s changed during the capture", maxChanged, dn)
				}
			}
			return r.record(o, again)
		}
		err := r.readTree(ctx, dn, dn, fmt.Sprintf("(uSNChanged>=%d)", usn))
		r.emit = r.record
		if err != nil {
			return err
		}
		for _, guid := range changed {
			if err := r.readRenamed(ctx, guid, dn); err != nil {
				return err
			}
		}
	}
	return nil
}

// readRenamed lists the names below an object, and reads again what was read under
// another name or not at all. Whether the object itself was renamed cannot be told
// from what was remembered: it may have been read after its rename, and those below
// before.
func (r *reading) readRenamed(ctx context.Context, guid, namingContext string) error {
	var stale []string
	listed := map[string]bool{}
	what := "cannot read what lies below object " + guid + " from " + r.conn.Host
	err := r.conn.Run(ctx, directory.Search{
		What: what, Base: "<GUID=" + guid + ">", Scope: ldap.ScopeWholeSubtree, Filter: "(objectClass=*)",
		Attributes: []string{"objectGUID"}, Controls: r.controls, PageSize: r.config.PageSize,
		Entry: func(e *directory.Entry) (bool, error) {
			dn, _ := splitExtended([]byte(e.DN))
			raw := e.Raw("objectGUID")
			id, ok := record.FormatGUID(raw)
			if !ok {
				return false, fault.Newf(fault.SourceInvalid, "%s has no objectGUID", dn)
			}
			fresh := !listed[id]
			if listed[id] = true; len(listed) > maxObjects {
				return false, fault.Newf(fault.LimitExceeded, "%s: more than %d objects", what, maxObjects)
			}
			if s, known := r.sighted([16]byte(raw)); fresh && (!known || s.name != r.hash(string(dn))) {
				stale = append(stale, id)
				r.owed[[16]byte(raw)] = struct{}{}
			}
			return fresh, nil
		},
		Page: func(bool) error {
			for _, id := range stale {
				if err := r.takeWhole(ctx, id, namingContext, r); err != nil {
					return err
				}
			}
			stale = stale[:0]
			return nil
		},
	})
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return nil // deleted since; the next round reads it
	}
	return err
}

// referredDN takes the name out of an LDAP URL (RFC 4516), "" when there is none.
func referredDN(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(u.Path, "/")
}
