package diffpage

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
)

// large is a report with so many differences in the directory, a few in the CA, and who lost access.
func large(changes int, text string) *result.Report {
	r := &result.Report{Format: result.Format, Warnings: []string{text}, Access: result.Access{Computed: true, Lost: int64(changes), Roles: []result.RoleChange{{RoleID: "r", Name: text, Gained: []string{text}}}}}
	ad, ca := result.Service{Service: backup.AD, Compared: true, Ignored: []result.Ignored{{Reason: text, Count: 1}}}, result.Service{Service: backup.CA, Compared: true}
	for i := range changes {
		value := text
		one := result.Change{Kind: "user", ID: fmt.Sprint(i), Name: text, How: result.Changed}
		for range 3 {
			one.Details = append(one.Details, result.Detail{Path: text, How: result.Changed, Before: &value, After: &value})
		}
		ad.Changes = append(ad.Changes, one)
		ad.Count(one.Kind, one.How)
		r.Access.Rows = append(r.Access.Rows, result.AccessRow{Principal: result.Principal{SID: fmt.Sprint(i), Name: text}, How: result.Removed, Scope: text})
	}
	for i := range 5 {
		ca.Changes = append(ca.Changes, result.Change{Kind: "certificate", ID: fmt.Sprint(i), How: result.Added})
		ca.Count("certificate", result.Added)
	}
	r.Services = []result.Service{ad, ca}
	return r
}

// TestBound: whatever differs, a report fits, has every total, and says how many of each list were
// left out; what needs little room is whole beside what needs much.
func TestBound(t *testing.T) {
	const limit = 200 << 10
	for name, text := range map[string]string{"short": "x", "as usual": "CN=person,OU=Tenants,DC=corp", "escaped": strings.Repeat("<\x00\u2028", 40), "long": strings.Repeat("ж", 3000)} {
		for _, n := range []int{0, 1, 40, 4000} {
			if n > 40 {
				n = max(100, n/len(text)) // what is long needs fewer
			}
			r := large(n, text)
			before, err := json.Marshal(r)
			require.NoError(t, err)
			out, err := Bound(r, limit)
			require.NoError(t, err)
			data, err := json.Marshal(out)
			require.NoError(t, err)
			require.LessOrEqual(t, len(data), limit, "%s %d", name, n)
			after, err := json.Marshal(r)
			require.NoError(t, err)
			require.Equal(t, before, after, "what was found is not changed")

			ad, ca := out.Services[0], out.Services[1]
			require.EqualValues(t, n, ad.Changed)
			require.Equal(t, r.Services[0].Kinds, ad.Kinds)
			require.EqualValues(t, n, int64(len(ad.Changes))+ad.NotListed)
			require.EqualValues(t, n, int64(len(out.Access.Rows))+out.Access.NotListed)
			require.EqualValues(t, 1, int64(len(out.Access.Roles))+out.Access.RolesNotListed)
			require.Len(t, ca.Changes, 5, "the small list is whole")
			require.Zero(t, ca.NotListed)
			if len(before) < limit/2 {
				require.Zero(t, ad.NotListed+out.Access.NotListed)
			}
			if len(before) > 3*limit {
				require.Greater(t, len(data), limit/2, "the room is used: %s", name)
				require.Positive(t, ad.NotListed)
			}
		}
	}
	r := large(1, "x")
	names := strings.Split(strings.Repeat("n,", maxNames+3), ",")
	r.Warnings, r.Access.Rows[0].Actions, r.Access.Rows[0].Path, r.Access.Roles[0].Gained, r.Access.Roles[0].Lost = names, names, names[:2], names, names
	out, err := Bound(r, limit)
	require.NoError(t, err)
	require.Equal(t, []int64{4, 4, 8}, []int64{out.WarningsNotListed, out.Access.Rows[0].NotListed, out.Access.Roles[0].NotListed}, "what is cut is counted")
	_, err = Bound(large(1, "x"), 300)
	require.ErrorIs(t, err, fault.LimitExceeded)
}

// TestOf: page by page each row of a section comes once, in its order, and all totals with each.
func TestOf(t *testing.T) {
	r := large(123, "x")
	r.Services[0].NotListed, r.Access.NotListed = 7, 2
	for _, test := range []struct {
		q    Query
		want int
	}{{Query{Section: Changes}, 128}, {Query{Section: Changes, Service: backup.CA}, 5}, {Query{Section: Changes, Service: backup.RBAC}, 0}, {Query{Section: Access}, 123}, {Query{Section: Roles}, 1}} {
		seen := map[string]bool{}
		for from := 0; ; {
			q := test.q
			q.From, q.Count = from, 10
			p := Of(r, q)
			require.Equal(t, test.want, p.Total)
			require.EqualValues(t, 9, p.LeftOut)
			require.EqualValues(t, 123, p.Report.Services[0].Changed)
			require.Empty(t, p.Report.Services[0].Changes)
			require.Empty(t, p.Report.Access.Rows)
			for _, c := range p.Changes {
				seen[string(c.Service)+c.ID] = true
			}
			for _, a := range p.Access {
				seen[a.Principal.SID] = true
			}
			for _, one := range p.Roles {
				seen[one.RoleID] = true
			}
			if from = p.Next; from == 0 {
				break
			}
		}
		require.Len(t, seen, test.want, "%+v", test.q)
	}
	require.Len(t, r.Services[0].Changes, 123, "the report is not changed")
	require.Empty(t, Of(r, Query{Section: Changes, From: 1000, Count: 1}).Changes)
	wide := large(MaxRows, strings.Repeat("y", 1000))
	require.Less(t, len(Of(wide, Query{Section: Changes, Count: MaxRows}).Changes), MaxRows, "a page is bounded in bytes")
	require.False(t, Section("values").Known())
}
