package portaltest

import (
	"context"
	"fmt"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/diff/diffpage"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
	"infrabackup/internal/privsep"
	"infrabackup/internal/recovery"
)

// DiffID is a comparison that has found something, and SameID one that has not.
const (
	DiffID = "d1ff0000-0000-4000-8000-000000000001"
	SameID = "d1ff0000-0000-4000-8000-000000000002"
)

// Compare implements comparing.Diffs. A password of "wrong" is one.
func (p *Plans) Compare(_ context.Context, r recovery.DiffRequest, key privsep.OperatorKey, keyOfB *privsep.OperatorKey, by string) (control.Begun, error) {
	for side, one := range map[backup.ID]*privsep.OperatorKey{r.A: &key, r.B: keyOfB} {
		if one == nil {
			continue
		}
		p.taken(*one)
		if string(one.Password) == "wrong" {
			return control.Begun{}, &recovery.SideError{Backup: side, Err: fault.Newf(fault.KeyPassword, "the password is wrong")}
		}
	}
	return control.Begun{ID: "op-diff"}, p.note("compare %.8s with %.8s by %s: %v", r.A, r.B, by, r.Services)
}

// diffPage is a page of an invented comparison.
func (p *Plans) diffPage(id string, q diffpage.Query, by string) (diffpage.Page, error) {
	if err := p.note("diff %.8s %s %s %d by %s", id, q.Section, q.Service, q.From, by); err != nil {
		return diffpage.Page{}, err
	}
	side := func(n int) result.Side {
		return result.Side{Name: "backup", BackupID: ID(n), StartedAt: Now.Add(-time.Duration(3+24*n) * time.Hour), Verified: true}
	}
	r := &result.Report{Format: result.Format, A: side(1), B: side(0), Same: true, Services: []result.Service{}, Access: result.Access{Computed: true}}
	switch id {
	case SameID:
		r.Services = append(r.Services, result.Service{Service: backup.AD, Compared: true, ItemsA: 1200, ItemsB: 1200, Equal: 1200})
		return diffpage.Of(r, q), nil
	case DiffID:
	default:
		return diffpage.Page{}, fault.Newf(fault.ItemNotFound, "no comparison has the ID %.40s", id)
	}
	r.Same, r.Warnings = false, []string{"CRP was not compared: B does not have it: SOURCE_UNREACHABLE the stamp was away", Hostile}
	ad, nrp := result.Service{Service: backup.AD, Compared: true, ItemsA: 1200, ItemsB: 1230, Equal: 1100, NotListed: 4}, result.Service{Service: backup.NRP, Compared: true, Equal: 60}
	before, after := "person@corp.example.com", "someone.else@corp.example.com"
	for i := range 70 {
		one := result.Change{Kind: "user", ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i), Name: fmt.Sprintf("CN=person %d,OU=Tenants,DC=azurestack,DC=local", i), How: result.Changed, Class: "user",
			Details: []result.Detail{{Path: "mail", How: result.Changed, Before: &before, After: &after}, {Path: "unixUserPassword", How: result.Changed, Secret: true}}, More: 2}
		switch i % 5 {
		case 1:
			one.How, one.Details, one.More = result.Added, nil, 0
		case 2:
			one.How, one.Details, one.More = result.Removed, nil, 0
		case 3:
			one.How, one.FromName = result.Renamed, fmt.Sprintf("CN=person %d <b>,OU=Old,DC=azurestack,DC=local", i)
		}
		if i == 4 {
			one.Name, one.Note, one.Details[0].Path = Hostile, Hostile, Hostile
		}
		ad.Changes = append(ad.Changes, one)
		ad.Count(one.Kind, one.How)
	}
	nrp.Changes = []result.Change{{Kind: "network-security-group", ID: "/subscriptions/x/nsg", Name: "web", How: result.Changed, Details: []result.Detail{{Path: "rules[https].access", How: result.Added, After: &after}, {Path: "rules[ssh].access", How: result.Removed, Before: &before}}}}
	nrp.Count("network-security-group", result.Changed)
	r.Services = append(r.Services, ad, result.Service{Service: backup.CRP, Reason: "B does not have it: SOURCE_UNREACHABLE the stamp was away"}, nrp)
	r.Access.Gained, r.Access.Lost = 1, 1
	r.Access.Rows = []result.AccessRow{{Principal: result.Principal{SID: "S-1-5-21-1", Name: "CN=noor,OU=Admins", Class: "user"}, How: result.Added, Scope: "/subscriptions/7f0d", Role: "Owner", Path: []string{"CN=operators"}},
		{Principal: result.Principal{SID: "S-1-5-21-2", Name: "CN=mika,OU=Admins", Class: "user", Disabled: true}, How: result.Removed, Scope: "/subscriptions/7f0d/vault", Role: "access policy", Actions: []string{"secrets/get"}, Covered: "/"}}
	r.Access.Roles = []result.RoleChange{{RoleID: "r1", Name: "Backup Reader", Type: "CustomRole", Gained: []string{"*/read"}, Assignments: 3}}
	return diffpage.Of(r, q), nil
}

// Diffs are the comparisons of [Plans].
func (p *Plans) Diffs() *Diffs { return &Diffs{p} }

// Diffs are comparisons that are invented, and recorded with the restores.
type Diffs struct{ *Plans }

// Page implements comparing.Diffs.
func (d *Diffs) Page(_ context.Context, id string, q diffpage.Query, by string) (diffpage.Page, error) {
	return d.diffPage(id, q, by)
}
