package settings

import (
	"fmt"
	"time"

	"infrabackup/internal/backup"
)

// Summary is what people may see of the active settings: nothing secret, and what
// the controller remembers about keys and ledger.
type Summary struct {
	Revision      int64              `json:"revision"`
	Instance      backup.Instance    `json:"instance"`
	Controller    string             `json:"controller"`
	Share         Share              `json:"share"`
	Username      string             `json:"username"`
	Recipients    []RecipientSummary `json:"recipients"`
	Services      []backup.Service   `json:"services"` // what a backup has to contain, empty when that was never set
	ProofDays     int                `json:"proofDays"`
	SigningKey    string             `json:"signingKey"`              // public half, authorized_keys form
	FormerSigners []string           `json:"formerSigners,omitempty"` // public halves of keys that signed earlier backups
	Ledger        backup.LedgerHead  `json:"ledger"`                  // of the current share
	ChangedAt     time.Time          `json:"changedAt"`
	ChangedBy     string             `json:"changedBy"`
	// Reset says that the settings workflow was reset to an earlier event.
	Reset bool `json:"reset,omitempty"`
}

// RecipientSummary is what a person needs to recognise a key, and when its holder was
// last heard of.
type RecipientSummary struct {
	backup.Recipient
	Expires    time.Time `json:"expires,omitzero"`
	Thumbprint string    `json:"thumbprint,omitempty"` // of the certificate that it came from, SHA-1 in upper-case hex
	Since      time.Time `json:"since,omitzero"`       // when it became a recipient
	ProvenAt   time.Time `json:"provenAt,omitzero"`    // when its holder last answered a challenge
	ProvenBy   string    `json:"provenBy,omitempty"`
}

// Summary leaves the secrets out. What the settings themselves do not hold stays zero.
func (s Settings) Summary() Summary {
	out := Summary{
		Revision: s.Revision, Instance: s.Instance, Controller: s.Controller, Share: s.Share, Username: s.Credential.Username,
		ProofDays: s.ProofDays, SigningKey: s.Signing.Public, FormerSigners: s.Signing.Former,
		Services: append([]backup.Service{}, s.Services...), ChangedAt: s.ChangedAt, ChangedBy: s.ChangedBy, Recipients: make([]RecipientSummary, 0, len(s.Recipients)),
	}
	if out.ProofDays == 0 {
		out.ProofDays = DefaultProofDays
	}
	for _, r := range s.Recipients {
		out.Recipients = append(out.Recipients, RecipientSummary{Recipient: r.Recipient, Expires: r.Expires, Thumbprint: r.Thumbprint})
	}
	return out
}

// Certificate is the thumbprint of the certificate that opens what was encrypted at a moment:
// of one that was the key already then. Empty when there is none, or the settings do not say
// since when.
func (s Summary) Certificate(at time.Time) string {
	for _, r := range s.Recipients {
		if r.Thumbprint != "" && !r.Since.IsZero() && !r.Since.After(at) {
			return r.Thumbprint
		}
	}
	return ""
}

// expiryNotice is how long before a certificate's end it is warned of.
const expiryNotice = 30 * 24 * time.Hour

// Warnings says in words what an operator should take care of: certificates that end,
// and keys of which nobody has shown for long that they still exist.
func (s Summary) Warnings(now time.Time) []string {
	warnings := []string{}
	if s.Revision > 0 && len(s.Services) == 0 {
		warnings = append(warnings, "no list of services was set for a backup, so it is what the workers have sources for when it begins; run `infrabackup settings services set`")
	}
	for _, r := range s.Recipients {
		switch {
		case r.Expires.IsZero():
		case now.After(r.Expires):
			warnings = append(warnings, fmt.Sprintf("the certificate of key %s expired on %s; its private key still opens backups, but give a new one with `infrabackup key set`", r.Fingerprint, r.Expires.Format(time.DateOnly)))
		case now.Add(expiryNotice).After(r.Expires):
			warnings = append(warnings, fmt.Sprintf("the certificate of key %s expires on %s; give a new one with `infrabackup key set`", r.Fingerprint, r.Expires.Format(time.DateOnly)))
		}
		last := r.ProvenAt
		if last.IsZero() {
			last = r.Since
		}
		if last.IsZero() || now.Sub(last) <= time.Duration(s.ProofDays)*24*time.Hour {
			continue
		}
		if r.ProvenAt.IsZero() {
			warnings = append(warnings, fmt.Sprintf("the private half of key %s, current since %s, was never proven to exist; run `infrabackup key prove`", r.Fingerprint, r.Since.Format(time.DateOnly)))
			continue
		}
		warnings = append(warnings, fmt.Sprintf("key %s was last proven on %s, more than %d days ago; run `infrabackup key prove`", r.Fingerprint, r.ProvenAt.Format(time.DateOnly), s.ProofDays))
	}
	return warnings
}
