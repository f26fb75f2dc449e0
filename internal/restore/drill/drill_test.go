package drill_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/drill"
)

func certificate() *drill.Certificate {
	return &drill.Certificate{
		Format: drill.Format, DrillID: "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", Backup: drill.Backup{ID: "1945dfe4-d16c-4b36-9096-1deceb046647"},
		StartedAt: time.Unix(1_800_000_000, 0).UTC(), EndedAt: time.Unix(1_800_000_060, 0).UTC(), DoesNotProve: drill.Limits(),
	}
}

func step(kind, id string, a restore.Action) restore.Step {
	return restore.Step{Key: restore.Key{Service: backup.NRP, Kind: kind, ID: id}, Action: a}
}

// good is the evidence of a drill that passes: one item came back, one cannot, and one thing is
// the target's own.
func good() drill.Evidence {
	return drill.Evidence{
		Plan: &restore.Plan{Steps: []restore.Step{step("virtual-network", "/a", restore.Create), step("quota", "/q", restore.Skip)},
			Losses: []restore.Loss{{Key: restore.Key{Service: backup.NRP, Kind: "view", ID: "/Gone"}, Code: "DERIVED"}}},
		Totals: restore.Totals{Confirmed: 1},
		Before: map[restore.Key]bool{drill.Key(backup.NRP, "view", "/Own"): true},
		Report: &result.Report{Services: []result.Service{{Service: backup.NRP, Compared: true, ItemsA: 3, ItemsB: 3, Equal: 1, Changes: []result.Change{
			{Kind: "view", ID: "/gone", How: result.Removed}, {Kind: "view", ID: "/own", How: result.Added},
			{Kind: "disk", ID: "/d", How: result.Changed, Details: []result.Detail{{Path: "properties.creationData.createOption", How: result.Changed}}},
		}}}},
		Drilled: []backup.Service{backup.NRP},
	}
}

func TestJudge(t *testing.T) {
	c := certificate()
	c.Judge(good())
	require.Equal(t, drill.Passed, c.Result)
	require.Equal(t, []drill.Service{{Service: backup.NRP, Items: 3, Found: 3, Created: 1, Skipped: 1, Compared: true, Equal: 1, Explained: 3}}, c.Services)
	require.Len(t, c.Explained, 3)

	add := func(changes ...result.Change) func(*drill.Evidence) {
		return func(e *drill.Evidence) {
			e.Report.Services[0].Changes = append(e.Report.Services[0].Changes, changes...)
		}
	}
	for name, test := range map[string]struct {
		change func(*drill.Evidence)
		open   int64
	}{
		"an item is missing":              {add(result.Change{Kind: "virtual-network", ID: "/a", How: result.Removed}), 1},
		"an item of another kind":         {add(result.Change{Kind: "subnet", ID: "/gone", How: result.Removed}), 1},
		"something more is there":         {add(result.Change{Kind: "role-assignment", ID: "/x", How: result.Added}), 1},
		"what cannot come back is added":  {add(result.Change{Kind: "view", ID: "/gone", How: result.Added}), 1},
		"a property differs":              {add(result.Change{Kind: "subnet", ID: "/s", How: result.Changed, Details: []result.Detail{{Path: "properties.addressPrefix", How: result.Changed}}}), 1},
		"one property too many":           {add(result.Change{Kind: "disk", ID: "/e", How: result.Changed, Details: []result.Detail{{Path: "properties.creationData.x", How: result.Changed}, {Path: "sku", How: result.Changed}}}), 1},
		"more than is listed":             {add(result.Change{Kind: "disk", ID: "/e", How: result.Changed, More: 1, Details: []result.Detail{{Path: "properties.creationData.x", How: result.Changed}}}), 1},
		"no details":                      {add(result.Change{Kind: "disk", ID: "/e", How: result.Changed}), 1},
		"moved":                           {add(result.Change{Kind: "disk", ID: "/e", How: result.Moved}), 1},
		"changes that are not listed":     {func(e *drill.Evidence) { e.Report.Services[0].NotListed = 7 }, 7},
		"nothing was compared":            {func(e *drill.Evidence) { e.Report.Services[0].Compared = false }, 0},
		"the comparison has no service":   {func(e *drill.Evidence) { e.Report.Services = nil }, 0},
		"no service":                      {func(e *drill.Evidence) { e.Drilled = nil }, 0},
		"one service more than was found": {func(e *drill.Evidence) { e.Drilled = append(e.Drilled, backup.CRP) }, 0},
		"a step failed":                   {func(e *drill.Evidence) { e.Totals.Failed = 1 }, 0},
		"a step was refused":              {func(e *drill.Evidence) { e.Totals.Refused = 1 }, 0},
		"an empty backup":                 {func(e *drill.Evidence) { e.Report.Services[0].ItemsA = 0 }, 0},
		"nothing was made":                {func(e *drill.Evidence) { e.Plan.Steps = e.Plan.Steps[1:] }, 0},
		"nothing was confirmed":           {func(e *drill.Evidence) { e.Totals.Confirmed = 0 }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c, e := certificate(), good()
			test.change(&e)
			c.Judge(e)
			require.Equal(t, drill.NotPassed, c.Result)
			require.Equal(t, test.open, c.Unexplained)
		})
	}
}

// TestFindingsAreBounded: a certificate is small, whatever went wrong, and counts everything.
func TestFindingsAreBounded(t *testing.T) {
	c, e := certificate(), good()
	for range 100_000 {
		e.Report.Services[0].Changes = append(e.Report.Services[0].Changes, result.Change{Kind: "subnet", ID: strings.Repeat("x", 1000), How: result.Removed})
	}
	c.Judge(e)
	require.EqualValues(t, 100_000, c.Unexplained)
	line, err := c.Encode()
	require.NoError(t, err)
	require.Less(t, len(line), drill.MaxCertificate)
	_, err = drill.Decode(line)
	require.NoError(t, err)
}

// TestDecode: what was signed has one form, and says what its counts say.
func TestDecode(t *testing.T) {
	c := certificate()
	c.Judge(good())
	line, err := c.Encode()
	require.NoError(t, err)
	again, err := drill.Decode(line)
	require.NoError(t, err)
	require.Equal(t, c, again)
	text := string(line)
	for name, other := range map[string]string{
		"passed by word only":   strings.Replace(text, `"confirmed":1`, `"confirmed":0`, 1),
		"failed by word only":   strings.Replace(text, `"result":"passed"`, `"result":"failed"`, 1),
		"another result":        strings.Replace(text, `"result":"passed"`, `"result":"fine"`, 1),
		"counts":                strings.Replace(text, `"unexplained":0}`, `"unexplained":1}`, 1),
		"another format":        strings.Replace(text, `"format":1`, `"format":2`, 1),
		"an unknown member":     strings.Replace(text, `{"format"`, `{"x":1,"format"`, 1),
		"a member twice":        strings.Replace(text, `{"format":1`, `{"format":1,"format":1`, 1),
		"another order":         strings.Replace(text, `"kept":false,"by":""`, `"by":"","kept":false`, 1),
		"no ID":                 strings.Replace(text, "0b1f4c2e-", "", 1),
		"an unknown service":    strings.Replace(text, `"service":"NRP"`, `"service":"DNS"`, 1),
		"ended before it began": strings.Replace(text, `"endedAt":"20`, `"endedAt":"10`, 1),
		"more behind it":        text + "{}",
		"without line break":    strings.TrimSpace(text),
		"spaces":                " " + text,
		"empty":                 "",
		"too large":             text + strings.Repeat("\n", drill.MaxCertificate),
	} {
		require.NotEqual(t, text, other, name)
		_, err := drill.Decode([]byte(other))
		require.ErrorIs(t, err, fault.CertificateInvalid, name)
	}
}

func FuzzDecode(f *testing.F) {
	c := certificate()
	c.Judge(good())
	line, err := c.Encode()
	require.NoError(f, err)
	f.Add(line)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := drill.Decode(data)
		if err != nil {
			require.ErrorIs(t, err, fault.CertificateInvalid)
			return
		}
		again, err := c.Encode()
		require.NoError(t, err)
		require.Equal(t, data, again)
	})
}
