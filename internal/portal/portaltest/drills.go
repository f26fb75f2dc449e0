package portaltest

import (
	"context"
	"fmt"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow/drills"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/drill"
)

// DrillID is the ID of the nth newest drill: 0 has passed, 1 has not, 2 is refused and 3 cannot be
// checked.
func DrillID(n int) backup.ID {
	return backup.ID(fmt.Sprintf("d1110000-0000-4000-8000-%012x", n))
}

// maxInvented is how many drills there are.
const maxInvented = 30

// Listed is the nth newest drill as a list has it.
func Listed(n int) drill.Listed {
	c := certificate(n)
	l := drill.Listed{DrillID: DrillID(n), File: c.FileName(), Trust: drill.Believed, Signer: "SHA256:7plvd2okw5lDC2xbdBHbPgj7MyCAITuL1i+R7v0NaWQ", Brief: c.Brief()}
	switch n {
	case 2:
		l.Trust, l.Code, l.Signer, l.Brief = drill.Refused, string(fault.CertificateForged), "", nil
	case 3:
		l.Trust, l.Signer = drill.Unchecked, ""
	}
	return l
}

func certificate(n int) *drill.Certificate {
	began := Now.Add(-time.Duration(3+24*7*n) * time.Hour).Truncate(time.Second)
	c := &drill.Certificate{Format: drill.Format, DrillID: DrillID(n), Result: drill.Passed, Backup: drill.Backup{ID: ID(n), Path: "backups/x", StartedAt: began.Add(-5 * time.Hour), Verified: true},
		Target: drill.Target{Name: "drill-site", FQDN: "drill.corp.example.com", DeploymentID: "9c1c2f6e-94ab-4c7a-8f2e-0a7c5d1b3e44"}, Product: "infrabackup 1.4.0", Totals: restore.Totals{Confirmed: 1290},
		Services:  []drill.Service{{Service: backup.AD, Items: 1200, Found: 1200, Created: 1180, Compared: true, Equal: 1100, Alike: 90, Explained: 10}, {Service: backup.CA, Items: 90, Found: 90, Created: 90, Compared: true, Equal: 90}},
		Explained: []drill.Class{{Reason: "set by the service itself", Count: 10}}, NotRestorable: []drill.Class{{Reason: "PASSWORD", Count: 4}},
		StartedAt: began, EndedAt: began.Add(21 * time.Minute), Phases: []drill.Phase{{Name: "look", Milliseconds: 4200}, {Name: "apply", Milliseconds: 912000}, {Name: "undo", Milliseconds: 300}}, By: `CORP\noor`, DoesNotProve: drill.Limits()}
	if n == 1 {
		c.Result, c.Unexplained, c.Services[0].Unexplained = drill.NotPassed, 1, 1
		c.Findings = []drill.Finding{{Service: backup.AD, Kind: "user", ID: "CN=person <i>,OU=Tenants,DC=azurestack,DC=local", Change: "changed", Path: "mail"}}
	}
	return c
}

// Drills implements drills.Drills.
func (p *Plans) Drills(_ context.Context, in drills.Input) (out drills.Output, err error) {
	if err := p.note("drills %.8s %d", in.DrillID, in.From); err != nil {
		return out, err
	}
	out = drills.Output{Drills: []drill.Listed{}, From: in.From, Total: maxInvented}
	for n := range maxInvented {
		switch {
		case in.DrillID == DrillID(n):
			out.Drills = append(out.Drills, Listed(n))
			if n != 2 {
				out.Certificate = certificate(n)
			}
		case in.DrillID == "" && n >= in.From && n < in.From+in.Count:
			out.Drills = append(out.Drills, Listed(n))
		}
	}
	if in.DrillID != "" && len(out.Drills) == 0 {
		return out, fault.Newf(fault.ItemNotFound, "there is no certificate of drill %s beside the backups", in.DrillID)
	}
	return out, nil
}
