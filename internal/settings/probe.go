package settings

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// Probe is what a worker states that has tried a proposal: which one it was, how, and
// who comes to be trusted with it. It is signed, so that a proposal becomes active only
// after it was tried, as it was tried.
type Probe struct {
	Fingerprint string `json:"fingerprint"` // of the proposal
	Adopt       bool   `json:"adopt"`
	NewLedger   bool   `json:"newLedger"`
	Copy        bool   `json:"copy"`
	// Ledger is the head of the ledger that is set aside, with NewLedger.
	Ledger    backup.LedgerHead `json:"ledger,omitzero"`
	Signers   []string          `json:"signers,omitempty"` // public keys that signed what is taken over
	At        time.Time         `json:"at"`
	Signature []byte            `json:"signature,omitempty"` // of all above
}

const maxProbeSigners = MaxFormerSigners + 1

// statement is what is signed. It begins like nothing else that the key signs.
func (p Probe) statement() ([]byte, error) {
	p.Signature = nil
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fault.New(fault.Internal, "state that settings were tried", err)
	}
	return append([]byte("infrabackup probe, version 1\n"), text...), nil
}

// Sign returns the probe with a signature by the key: the current one, and that of the
// proposal itself where there is no current one yet.
func (p Probe) Sign(key *seal.SigningKey) (Probe, error) {
	text, err := p.statement()
	if err == nil {
		p.Signature, err = key.Sign(text)
	}
	return p, err
}

// Covers makes sure that the probe was made for exactly this proposal, and is signed with
// the key whose public half is given. SETTINGS_UNPROBED otherwise; nil covers nothing.
func (p *Probe) Covers(proposal Settings, public string) error {
	if p == nil {
		return fault.Newf(fault.SettingsUnprobed, "revision %d of the settings was not tried", proposal.Revision)
	}
	text, err := p.statement()
	if err != nil {
		return err
	}
	if _, err := seal.VerifySignature(text, p.Signature, seal.AllowedSigners(public)); err != nil {
		return fault.New(fault.SettingsUnprobed, fmt.Sprintf("no trusted key states that revision %d of the settings was tried", proposal.Revision), err)
	}
	if p.Fingerprint != proposal.Fingerprint() {
		return fault.Newf(fault.SettingsUnprobed, "what was tried is not what revision %d of the settings holds", proposal.Revision)
	}
	if len(p.Signers) > maxProbeSigners {
		return fault.Newf(fault.SettingsUnprobed, "%d signing keys were found, at most %d can be trusted", len(p.Signers), maxProbeSigners)
	}
	return nil
}

// Allows makes sure that the signers, and no others, come to be trusted besides those of
// the proposal, because the probe found them. P may be nil, which found none.
func (p *Probe) Allows(proposal Settings, signers []string) error {
	for _, public := range signers {
		switch {
		case slices.Contains(proposal.Signing.Publics(), public):
		case p == nil || !slices.Contains(p.Signers, public):
			return fault.Newf(fault.SettingsUnprobed, "signing key %s was not found when revision %d of the settings was tried", fingerprintOf(public), proposal.Revision)
		default:
			if err := checkSigner(public); err != nil {
				return err
			}
		}
	}
	return nil
}
