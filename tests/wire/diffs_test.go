package wire_test

import (
	"context"
	"fmt"
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/auth"
	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow/diffs"
	"infrabackup/internal/seal/sealtest"
)

const ownDiffs, diffPattern = "/api/v1/locations/local/diffs", "/api/v1/locations/{location}/diffs"

const earlier backup.ID = "64e8625a-8dc0-49df-a195-932901b4be82"

func diffBody() map[string]any {
	return map[string]any{"a": string(earlier), "b": "latest", "key": planKey()}
}

func (c *fakeControl) BeginDiff(_ context.Context, in diffs.Input) (control.Begun, error) {
	return c.begin(operation.Diff, func(id string) fakeOperation {
		in.Instance = "local"
		c.compared = append(c.compared, in)
		r := &result.Report{Format: result.Format, A: result.Side{BackupID: in.A.BackupID}, B: result.Side{BackupID: in.B.BackupID}, Warnings: []string{},
			Access: result.Access{Computed: true, Gained: 1, Rows: []result.AccessRow{{Principal: result.Principal{Name: "canary-of-a-name"}, How: result.Added, Scope: "/", Role: "Owner"}}, Roles: []result.RoleChange{}}}
		ad, ca := result.Service{Service: backup.AD, Compared: true, NotListed: 3, Ignored: []result.Ignored{}}, result.Service{Service: backup.CA, Compared: true, Ignored: []result.Ignored{}}
		value := "old"
		for n := range 5 {
			ad.Changes = append(ad.Changes, result.Change{Kind: "user", ID: fmt.Sprint("CN=canary-of-a-name-", n), How: result.Changed, Details: []result.Detail{{Path: "mail", How: result.Changed, Before: &value}, {Path: "unixUserPassword", How: result.Changed, Secret: true}}})
			ad.Count("user", result.Changed)
		}
		ca.Changes = append(ca.Changes, result.Change{Kind: "certificate", ID: "01", How: result.Added, Details: []result.Detail{}})
		ca.Count("certificate", result.Added)
		r.Services = []result.Service{ad, ca}
		out := diffs.Output{RequestedBy: in.RequestedBy, Reader: in.Reader, Report: r}
		c.found[id] = out
		return fakeOperation{done: operation.Operation{Diff: out.Summary()}}
	})
}

func (c *fakeControl) Diff(_ context.Context, id string) (diffs.Output, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out, known := c.found[id]
	switch {
	case c.away != nil:
		return diffs.Output{}, c.away
	case !known:
		return diffs.Output{}, fault.Newf(fault.ItemNotFound, "there is none")
	case c.operated[id].left > 0:
		return diffs.Output{}, fault.Newf(fault.DiffRunning, "it runs")
	}
	return out, nil
}

// TestDiffs: two backups are compared with one key or two, and what differs is read page by page, by
// the caller who gave the keys and by no other. The operation, which readers see, has counts alone.
func TestDiffs(t *testing.T) {
	h := start(t).enable()
	id := h.full()
	d := served(t, h)
	begun := h.do("POST", ownDiffs, "", map[string]any{"a": string(earlier), "services": []string{"ad", "CA"}, "key": planKey()})
	require.Equal(t, 202, begun.status, begun.text)
	in := h.control.compared[0]
	require.NoError(t, in.Check("local"))
	require.Equal(t, []any{earlier, id, "test|operator", []backup.Service{backup.AD, backup.CA}}, []any{in.A.BackupID, in.B.BackupID, in.RequestedBy, in.Services})
	run := path.Base(begun.header.Get("Location"))
	a := h.do("GET", ownDiffs+"/"+run, "", nil)
	require.Equal(t, []any{409, "DiffRunning"}, []any{a.status, a.code()}, a.text)
	h.control.settle()
	a = h.do("GET", begun.header.Get("Location"), "", nil)
	holds(t, d.schema(t, "/api/v1/locations/{location}/operations/{operation}", "get", "200"), a.text)
	require.Equal(t, []any{"diff", "Succeeded", float64(5), float64(1)}, []any{a.property("kind"), a.property("status"), a.property("result", "diff", "changed"), a.property("result", "diff", "gained")})
	require.NotContains(t, a.text, "canary-of-a-name")

	read := func(query string) answer {
		a := h.do("GET", ownDiffs+"/"+run+query, "", nil)
		require.Equal(t, 200, a.status, a.text)
		holds(t, d.schema(t, diffPattern+"/{diff}", "get", "200"), a.text)
		return a
	}
	a = read("")
	require.Len(t, a.property("changes"), 6)
	require.Equal(t, float64(3), a.property("leftOut"))
	require.Equal(t, []any{float64(2), float64(6)}, []any{read("?count=2").property("next"), read("?count=2").property("total")})
	require.Len(t, read("?service=ca&count=500").property("changes"), 1)
	require.Len(t, read("?section=access").property("access"), 1)
	require.Nil(t, read("?section=roles").property("roles"))
	for _, query := range []string{"?section=values", "?service=DNS", "?from=-1", "?count=0", "?count=501"} {
		a = h.do("GET", ownDiffs+"/"+run+query, "", nil)
		require.Equal(t, []any{400, "InvalidQueryParameter"}, []any{a.status, a.code()}, query)
	}
	h.caller.subject = "test|another"
	a = h.do("GET", ownDiffs+"/"+run, "", nil)
	require.Equal(t, []any{409, "KeyNotHeld"}, []any{a.status, a.code()}, a.text)
	require.NotContains(t, a.text, "canary-of-a-name")
	h.caller.subject = ""

	for _, test := range []struct {
		body         map[string]any
		code, target string
	}{
		{map[string]any{"a": string(earlier), "key": map[string]any{"pfx": pfx, "password": password}}, "KeyPassword", "key.password"},
		{map[string]any{"a": string(earlier), "key": planKey(), "keyOfB": map[string]any{"pfx": pfx, "password": password}}, "KeyPassword", "keyOfB.password"},
		{map[string]any{"a": "latest", "b": "latest", "key": planKey()}, "InvalidRequestContent", "b"},
		{map[string]any{"a": "latest~1", "key": planKey()}, "ResourceNotFound", ""},
		{map[string]any{"a": string(earlier)}, "InvalidRequestContent", "key"},
	} {
		a = h.do("POST", ownDiffs, "", test.body)
		require.Equal(t, test.code, a.code(), a.text)
		if test.target != "" {
			require.Equal(t, test.target, a.property("error", "target"))
		}
		require.NotContains(t, a.text, "canary")
	}
	require.Equal(t, 404, h.do("GET", ownDiffs+"/none", "", nil).status)
	h.control.away = fault.Newf(fault.NoWorker, "none")
	require.Equal(t, 503, h.do("GET", ownDiffs+"/"+run, "", nil).status)
	require.False(t, auth.Reader.Allows(auth.CompareBackups))
	for _, canary := range []string{password, pfx[:60], sealtest.PFXPassword, in.A.Key.Reveal()} {
		require.NotContains(t, h.log.String(), canary)
	}
}
