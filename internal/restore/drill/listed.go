package drill

import (
	"time"

	"infrabackup/internal/backup"
)

// Trust says whether a certificate can be believed.
type Trust string

// The grades of trust.
const (
	Believed  Trust = "believed"  // a key of the list signed it
	Refused   Trust = "refused"   // no key of the list did, or it is no certificate
	Unchecked Trust = "unchecked" // there is no list: anyone who can write beside it may have made it
)

// Listed is one certificate in a list.
type Listed struct {
	DrillID backup.ID `json:"drillId"` // by the name of its file
	File    string    `json:"file"`    // its name
	Trust   Trust     `json:"trust"`
	Code    string    `json:"code,omitempty"`   // why it is refused
	Signer  string    `json:"signer,omitempty"` // fingerprint of the key that signed it, of one that is believed
	Brief   *Brief    `json:"brief,omitempty"`  // nil of one that is refused
}

// Brief is the gist of a certificate.
type Brief struct {
	Result       Result    `json:"result"`
	BackupID     backup.ID `json:"backupId"`
	BackupAt     time.Time `json:"backupStartedAt"`
	Verified     bool      `json:"backupVerified"` // a trusted key had signed the backup
	Target       string    `json:"target"`
	StartedAt    time.Time `json:"startedAt"`
	Milliseconds int64     `json:"ms"` // how long it took
	Unexplained  int64     `json:"unexplained"`
	Kept         bool      `json:"kept"`
}

// maxTarget bounds the name of a target in a list, in bytes.
const maxTarget = 200

// Brief returns the gist.
func (c *Certificate) Brief() *Brief {
	target := c.Target.Name
	if len(target) > maxTarget {
		target = target[:maxTarget]
	}
	return &Brief{Result: c.Result, BackupID: c.Backup.ID, BackupAt: c.Backup.StartedAt, Verified: c.Backup.Verified, Target: target, StartedAt: c.StartedAt, Milliseconds: c.EndedAt.Sub(c.StartedAt).Milliseconds(), Unexplained: c.Unexplained, Kept: c.Kept}
}

// Proves reports whether the certificate is believed, and that of a drill which has passed. One of a
// backup that was not verified says nothing of the backup of that ID on the share.
func (l Listed) Proves() bool {
	return l.Trust == Believed && l.Brief != nil && l.Brief.Result == Passed && l.Brief.Verified
}
