package wire_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/auth"
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow/drills"
	"infrabackup/internal/restore/drill"
)

// someDrill is the newest drill; there are five, of which the second is refused.
const someDrill backup.ID = "d1110000-0000-4000-8000-000000000004"

func (c *fakeControl) Drills(_ context.Context, in drills.Input) (drills.Output, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	in.Instance = "local"
	if err := in.Check("local"); err != nil {
		return drills.Output{}, err
	}
	if c.away != nil {
		return drills.Output{}, c.away
	}
	const all = 5
	out := drills.Output{From: in.From, Total: all}
	for n := range all {
		id := backup.ID(fmt.Sprintf("d1110000-0000-4000-8000-%012d", all-1-n))
		at := time.Date(2026, 11, 28-n, 0, 0, 0, 0, time.UTC)
		certificate := &drill.Certificate{Format: drill.Format, DrillID: id, Result: drill.NotPassed, Unexplained: 1, Target: drill.Target{Name: "drills"}, Backup: drill.Backup{ID: id}, StartedAt: at, EndedAt: at.Add(time.Minute),
			Services: []drill.Service{{Service: backup.AD, Unexplained: 1}}, Findings: []drill.Finding{{Service: backup.AD, Kind: "user", ID: "CN=canary-of-a-name", Change: "changed"}}}
		listed := drill.Listed{DrillID: id, File: certificate.FileName(), Trust: drill.Believed, Signer: "SHA256:x", Brief: certificate.Brief()}
		if c.untrusted {
			listed.Trust, listed.Signer = drill.Unchecked, ""
		}
		if n == 1 {
			listed = drill.Listed{DrillID: id, File: certificate.FileName(), Trust: drill.Refused, Code: string(fault.CertificateForged)}
			certificate = nil
		}
		switch {
		case in.DrillID == id:
			return drills.Output{Drills: []drill.Listed{listed}, Total: all, Certificate: certificate}, nil
		case in.DrillID == "" && n >= in.From && n < in.From+in.Count:
			out.Drills = append(out.Drills, listed)
		}
	}
	if in.DrillID != "" {
		return out, fault.Newf(fault.ItemNotFound, "there is no certificate of drill %s beside the backups", in.DrillID)
	}
	return out, nil
}

// TestDrills: listed page by page, and read one by one; which items differ is for those who may plan.
func TestDrills(t *testing.T) {
	const base, pattern = "/api/v1/locations/local/drills", "/api/v1/locations/{location}/drills"
	h := start(t).enable()
	d := served(t, h)
	list := func(query string) answer {
		a := h.do("GET", base+query, "", nil)
		require.Equal(t, 200, a.status, a.text)
		holds(t, d.schema(t, pattern, "get", "200"), a.text)
		require.NotContains(t, a.text, "canary-of-a-name")
		return a
	}
	a := list("")
	require.Len(t, a.property("value"), 5)
	require.Equal(t, []any{float64(5), float64(0)}, []any{a.property("total"), a.property("next")})
	seen := 0
	for from := 0; ; {
		a := list(fmt.Sprintf("?count=2&from=%d", from))
		seen += len(a.property("value").([]any))
		if from = int(a.property("next").(float64)); from == 0 {
			break
		}
	}
	require.Equal(t, 5, seen)
	for _, query := range []string{"?from=-1", "?from=x", "?count=0", "?count=101"} {
		a = h.do("GET", base+query, "", nil)
		require.Equal(t, []any{400, "InvalidQueryParameter"}, []any{a.status, a.code()}, query)
	}

	one := func(id backup.ID) answer {
		a := h.do("GET", base+"/"+string(id), "", nil)
		require.Equal(t, 200, a.status, a.text)
		holds(t, d.schema(t, pattern+"/{drill}", "get", "200"), a.text)
		return a
	}
	a = one(someDrill)
	require.Equal(t, []any{"believed", "SHA256:x", "failed"}, []any{a.property("trust"), a.property("signer"), a.property("brief", "result")})
	require.Contains(t, a.text, "canary-of-a-name")
	h.caller.role = auth.Reader
	a = one(someDrill)
	require.NotContains(t, a.text, "canary-of-a-name")
	require.Equal(t, []any{true, float64(1)}, []any{a.property("findingsHidden"), a.property("certificate", "unexplained")})
	h.caller.role = auth.Operator
	a = one("d1110000-0000-4000-8000-000000000003")
	require.Equal(t, []any{"refused", "CERTIFICATE_FORGED"}, []any{a.property("trust"), a.property("code")})
	require.NotContains(t, a.text, "certificate\"", "nothing of it is told")
	h.control.untrusted = true
	a = one(someDrill)
	require.Equal(t, "unchecked", a.property("trust"))
	require.Contains(t, a.property("note"), "it cannot be checked")

	for _, id := range []string{"none", "d1110000-0000-4000-8000-0000000000ff", "..%2F..%2Fx"} {
		require.Equal(t, 404, h.do("GET", base+"/"+id, "", nil).status, id)
	}
	h.control.away = fault.Newf(fault.NoWorker, "none")
	require.Equal(t, 503, h.do("GET", base, "", nil).status)
}
