package planpage

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/restore"
)

// planOf has n steps of which every third stays as it is and every fifth cannot be undone.
func planOf(n int) *restore.Plan {
	p := &restore.Plan{Header: restore.Header{
		PlanID: strings.Repeat("ab", 32), Kind: restore.OfBackup, Origin: restore.Origin{BackupID: "b"}, Target: restore.Fingerprint{Name: "site-b", DeploymentID: "d"},
		Production: true, Expires: time.Unix(1, 0).UTC(), Counts: restore.Counts{Steps: n},
	}}
	for i := range n {
		s := restore.Step{N: i, Key: restore.Key{Service: backup.AD, Kind: "user", ID: fmt.Sprintf("CN=%d", i), Phase: "links"}, Action: restore.Update, Reason: restore.ReasonDiffers,
			Backup: "digest-of-the-item", Live: "digest-of-the-target", Desired: "digest-of-what-is-wanted", Fields: []string{"mail"}, Reversible: restore.Reversibility{Grade: restore.Reversible}}
		if i%3 == 0 {
			s.Action, s.Reason = restore.Skip, restore.ReasonSame
		}
		if i%5 == 0 {
			s.Reversible.Grade = restore.Irreversible
		}
		p.Steps = append(p.Steps, s)
		p.Refusals = append(p.Refusals, restore.Refusal{Key: s.Key, Code: "NAME_TAKEN", Detail: "x"})
	}
	p.Losses = []restore.Loss{{Key: p.Steps[0].Key, Code: "PASSWORD", Detail: "y"}}
	return p
}

// all reads a section to its end, as a client does.
func all(t *testing.T, p *restore.Plan, section Section, count int) (pages []Page) {
	t.Helper()
	for from := 0; ; {
		page := Of(p, "planned", section, from, count)
		pages = append(pages, page)
		require.LessOrEqual(t, len(pages), page.Total+1)
		if page.Next == 0 {
			return pages
		}
		require.Greater(t, page.Next, from)
		from = page.Next
	}
}

// TestPages: page by page each row of a section comes once, in its order, and no digest does.
func TestPages(t *testing.T) {
	p := planOf(100)
	for section, want := range map[Section]func(restore.Step) bool{
		Steps:        func(restore.Step) bool { return true },
		Changes:      func(s restore.Step) bool { return s.Action != restore.Skip },
		Irreversible: func(s restore.Step) bool { return s.N%5 == 0 && s.N%3 != 0 },
	} {
		var expected, got []int
		for _, s := range p.Steps {
			if want(s) {
				expected = append(expected, s.N)
			}
		}
		for _, count := range []int{1, 7, 100, MaxRows + 1} {
			got = nil
			for _, page := range all(t, p, section, count) {
				require.Equal(t, len(expected), page.Total)
				require.LessOrEqual(t, len(page.Steps), count)
				for _, s := range page.Steps {
					got = append(got, s.N)
				}
				text, err := json.Marshal(page)
				require.NoError(t, err)
				require.NotContains(t, string(text), "digest-of")
			}
			require.Equal(t, expected, got, section)
		}
	}
	page := Of(p, "planned", Steps, 0, 1)
	require.Equal(t, "AD user CN=0 (links)", page.Steps[0].Title, "the name by which it is agreed to")
	require.Equal(t, Target{"site-b", "d"}, page.Target)
	require.Len(t, Of(p, "", Refused, 98, 10).Refused, 2)
	require.Equal(t, 1, Of(p, "", Lost, 0, 10).Total)
	require.Empty(t, Of(p, "", Lost, 5, 10).Lost, "behind the end")
	require.Zero(t, Of(p, "", Steps, 1000, 10).Next)
	require.False(t, Section("values").Known())
}

// TestPagesAreBounded: whatever a plan holds, a page stays below what carries it, and still leads
// to the end.
func TestPagesAreBounded(t *testing.T) {
	p := planOf(40)
	hostile := strings.Repeat("\x01", 400_000)
	for i := range p.Steps {
		s := &p.Steps[i]
		s.ID, s.Name, s.Kind, s.Phase, s.NeededBy, s.Reversible.Why = hostile, hostile, hostile, hostile, hostile, hostile
		s.AddedBy, s.Action, s.Reason, s.Service, s.Reversible.Grade = hostile, restore.Action(hostile), restore.Reason(hostile), backup.Service(hostile), restore.Grade(hostile)
		s.Fields = append(make([]string, 10_000), hostile)
		s.Fields[0], s.Supplies = hostile, s.Fields
		p.Refusals[i] = restore.Refusal{Key: s.Key, Code: hostile, Detail: hostile}
	}
	p.Header.Target, p.Header.Undoes, p.Header.Origin.BackupID = restore.Fingerprint{Name: hostile, DeploymentID: hostile}, hostile, backup.ID(hostile)
	for _, section := range []Section{Steps, Changes, Refused} {
		for _, page := range all(t, p, section, MaxRows) {
			text, err := json.Marshal(page)
			require.NoError(t, err)
			require.Less(t, len(text), 1<<20-100<<10)
		}
	}
	require.Equal(t, 9901, Of(p, "", Steps, 0, 1).Steps[0].MoreFields)
	require.True(t, Of(p, "", Steps, 0, 1).Steps[0].Cut())
	require.False(t, Of(planOf(1), "", Steps, 0, 1).Steps[0].Cut())
	require.Equal(t, "ä…", cut("ää", 3), "between characters")
}
