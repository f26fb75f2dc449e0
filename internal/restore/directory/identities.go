package directory

import (
	"context"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/directory/identifier"
	"infrabackup/internal/restore/mapping"
)

// principal is what a backup calls the object that a SID is of; the name is in lower case.
type principal struct{ guid, dn string }

// sidAlias stands before SIDs in catalogs.
const sidAlias = "sid:"

// remember notes which SIDs an item has, and returns them: another object can need it by them.
func (r *Restorer) remember(aliases []string, guid, dn string) (sids []string) {
	for _, alias := range aliases {
		if sid, ok := strings.CutPrefix(strings.ToLower(alias), sidAlias); ok {
			r.accounts.Store(sid, principal{guid, dn})
			if strings.HasPrefix(sid, identifier.OfDomain) && strings.Count(sid, "-") == strings.Count(identifier.OfDomain, "-")+2 {
				r.heads.Store(sid, true)
			}
			sids = append(sids, sid)
		}
	}
	return sids
}

func (r *Restorer) account(sid string) (principal, bool) {
	a, ok := r.accounts.Load(sid)
	if !ok {
		return principal{}, false
	}
	return a.(principal), true
}

// resolve says for each SID of the source which one it is in the target: "" for an account that
// the backup has and the target has not, or not yet. The problem is of SIDs that no account of
// either has; they are never written as they are, as they would be of another domain's accounts.
func (r *Restorer) resolve(ctx context.Context, b *body, m *mapping.Map) (sids []string, p *problem, err error) {
	if b.Undo {
		return b.Named, nil, nil
	}
	var unknown []string
	for _, sid := range b.Named {
		to, known, err := r.inTarget(ctx, sid, m)
		if err != nil {
			return nil, nil, err
		}
		if !known {
			unknown = append(unknown, strings.ToUpper(sid))
		}
		sids = append(sids, to)
	}
	if len(unknown) > 0 {
		p = &problem{refusedSID, "it names " + strings.Join(unknown, ", ") + ", which is no account of the backup, and of another domain than the target's: give the map a principal for it, or write it by hand"}
	}
	return sids, p, nil
}

// inTarget is one SID in the target. Known is false for one of the source's domain, where that is
// not the target's, of which the backup has no account, and for one that may be of it.
func (r *Restorer) inTarget(ctx context.Context, sid string, m *mapping.Map) (to string, known bool, err error) {
	if !strings.HasPrefix(sid, identifier.OfDomain) {
		return sid, true, nil
	}
	if p, ok := m.Find(sid); ok {
		return strings.ToLower(p.New), true, nil
	}
	if to := strings.ToLower(m.Names().Text(sid)); to != sid {
		return to, true, nil
	}
	domain, rid := identifier.Split(sid)
	_, ofSource := r.account(domain)
	own := strings.EqualFold(domain, r.domain.sid)
	if _, has := r.account(sid); !ofSource && !own && !has && !r.knowsSource() {
		return sid, false, nil // it may be of the source's domain or of a trusted one
	}
	if identifier.Below1000(rid) {
		if ofSource && !own {
			return r.domain.sid + "-" + rid, true, nil // the backup's domain becomes the target's
		}
		return sid, true, nil
	}
	if to, ok := r.sids[sid]; ok {
		return to, true, nil
	}
	a, ok := r.account(sid)
	if !ok {
		return sid, own || !ofSource, nil // an account that was gone before, or one of a trusted domain
	}
	to, err = r.holder(ctx, a, m)
	if to != "" && len(r.sids) < maxAsked {
		r.sids[sid] = to
	}
	return to, true, err
}

// knowsSource reports whether the backup says which SID its domain has; one without SIDs in its catalog
// does not.
func (r *Restorer) knowsSource() (knows bool) {
	r.heads.Range(func(any, any) bool { knows = true; return false })
	return knows
}

// holder is the SID of an account in the target, which can be a deleted one that comes back
// with it; "" when it is not there.
func (r *Restorer) holder(ctx context.Context, a principal, m *mapping.Map) (string, error) {
	b := &body{Context: r.domain.name}
	e, err := r.byGUID(ctx, inTarget(a.guid, m), b)
	if err != nil {
		return "", err
	}
	if e == nil || strings.EqualFold(e.Text("isDeleted"), "TRUE") && !r.domain.undeletes {
		if e, err = r.read(ctx, m.Names().Text(a.dn), b); err != nil || e == nil {
			return "", err
		}
	}
	sid, _ := record.FormatSID(e.Raw("objectSid"))
	return sid, nil
}

// needsOf are the accounts that a body names and that the backup has.
func (b *body) needsOf(relation string) (needs []restore.Need) {
	for _, sid := range b.Named {
		if _, rid := identifier.Split(sid); strings.HasPrefix(sid, identifier.OfDomain) && !identifier.Below1000(rid) && sid != b.SID {
			needs = append(needs, restore.Need{Service: backup.AD, Target: sidAlias + sid, Relation: relation})
		}
	}
	return needs
}

// splitName takes <GUID=…>;<SID=…>;CN=… apart (MS-ADTS 3.1.1.3.4.1.5).
func splitName(text string) (guid, dn string) {
	rest, found := strings.CutPrefix(text, linkBegin)
	if !found {
		return "", text
	}
	guid, rest, found = strings.Cut(rest, ">;")
	guid = strings.ToLower(guid)
	if !found || !record.ValidGUID(guid) {
		return "", text
	}
	for strings.HasPrefix(rest, "<") {
		_, after, found := strings.Cut(rest, ">;")
		if !found {
			return "", text
		}
		rest = after
	}
	return guid, rest
}
