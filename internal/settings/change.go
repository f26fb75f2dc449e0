package settings

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// Kind says what a change of settings is about.
type Kind string

// The kinds of changes, and of other events that the history of settings keeps.
const (
	KindEnable      Kind = "enable"
	KindAdopt       Kind = "adopt"
	KindShare       Kind = "share"
	KindCredentials Kind = "credentials"
	KindKey         Kind = "key"
	KindSigningKey  Kind = "signing-key"
	KindProof       Kind = "proof" // a key's holder answered a challenge
	KindServices    Kind = "services"
	KindReseal      Kind = "reseal"   // the settings were encrypted with the newest codec key
	KindSigners     Kind = "signers"  // signing keys of what was taken over came to be trusted
	KindLedger      Kind = "ledger"   // a ledger was set aside, and another one begun
	KindSchedule    Kind = "schedule" // of backups that start by themselves, or how long backups are kept
	KindRestored    Kind = "restored" // settings that had been lost or set back were taken over
)

// Change names the parts of the settings that somebody wants to replace. What is nil
// stays as it is.
type Change struct {
	Kind       Kind        `json:"kind"`
	Share      *Share      `json:"share,omitempty"`
	Credential *Credential `json:"credential,omitempty"`
	Recipients []Recipient `json:"recipients,omitempty"`
	ProofDays  *int        `json:"proofDays,omitempty"`
	// Services are all that a backup has to contain from then on.
	Services []backup.Service `json:"services,omitempty"`
	Signing  *Signing         `json:"signing,omitempty"` // without Former
	By       string           `json:"by"`                // caller's identity, as the caller gave it
	// Adopt takes over what lies on the share, also on the current one.
	Adopt bool `json:"adopt,omitempty"`
	// KeepPassword keeps the password in use for the account that is given.
	KeepPassword bool `json:"keepPassword,omitempty"`
	// MayBeActive says that it is no mistake to want what is active already.
	MayBeActive bool `json:"mayBeActive,omitempty"`
}

// Texts returns the free text, people's words, for whoever bounds it.
func (c *Change) Texts() []*string { return []*string{&c.By} }

// With returns the settings after the change, not validated, without a revision of
// their own yet. SETTINGS_INVALID when nothing would change.
func (s Settings) With(c Change) (Settings, error) {
	next := s.with(c)
	if len(s.differences(next)) == 0 && !c.Adopt {
		return Settings{}, fault.Newf(fault.SettingsInvalid, "these settings are active already")
	}
	return next, nil
}

// Unchanged reports whether a change wants what is active already, and may.
func (s Settings) Unchanged(c Change) bool {
	return c.MayBeActive && !c.Adopt && len(s.differences(s.with(c))) == 0
}

func (s Settings) with(c Change) Settings {
	next := s
	next.Base, next.Revision, next.Kind, next.ChangedBy, next.ChangedAt = s.Revision, 0, c.Kind, c.By, time.Time{}
	if c.Share != nil {
		next.Share = *c.Share
	}
	if c.Credential != nil {
		next.Credential = *c.Credential
		if c.KeepPassword {
			next.Credential.Password = s.Credential.Password
		}
	}
	if len(c.Recipients) > 0 {
		next.Recipients = c.Recipients
	}
	if len(c.Services) > 0 {
		next.Services = c.Services
	}
	if c.ProofDays != nil {
		next.ProofDays = *c.ProofDays
	}
	if c.Signing != nil {
		next.Signing = Signing{PrivateKey: c.Signing.PrivateKey, Public: c.Signing.Public, Former: s.Signing.Publics()}
	}
	return next
}

// Describe says what is different in next, without any secret.
func (s Settings) Describe(next Settings) string {
	if all := s.differences(next); len(all) > 0 {
		return strings.Join(all, "; ")
	}
	return "share: taken over again"
}

func (s Settings) differences(next Settings) []string {
	var all []string
	note := func(what, before, after string) {
		switch {
		case before == after:
		case before == "":
			all = append(all, what+": "+after)
		default:
			all = append(all, fmt.Sprintf("%s: %s -> %s", what, before, after))
		}
	}
	note("share", s.Share.Path, next.Share.Path)
	note("transport", string(s.Share.Transport), string(next.Share.Transport))
	note("account", s.Credential.Username, next.Credential.Username)
	if !s.Credential.Password.IsZero() && s.Credential.Password.Reveal() != next.Credential.Password.Reveal() {
		all = append(all, "password: changed")
	}
	note("keys", fingerprints(s.Recipients), fingerprints(next.Recipients))
	note("services", Join(s.Services), Join(next.Services))
	note("days between proofs", fmt.Sprint(s.Summary().ProofDays), fmt.Sprint(next.Summary().ProofDays))
	note("signing key", s.Signing.Public, next.Signing.Public)
	// The key that was current goes on to be trusted, which is no news.
	for _, public := range next.Signing.Former {
		if !slices.Contains(s.Signing.Publics(), public) {
			all = append(all, "signatures count by: "+public)
		}
	}
	for _, public := range s.Signing.Former {
		if !slices.Contains(next.Signing.Publics(), public) {
			all = append(all, "signatures count no more by: "+public)
		}
	}
	return all
}

func fingerprints(recipients []Recipient) string {
	var all []string
	for _, r := range recipients {
		all = append(all, r.Fingerprint)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// Outcome is what came of a change.
type Outcome string

// The outcomes.
const (
	Pending Outcome = "pending"
	Applied Outcome = "applied"
	Refused Outcome = "refused"
)

// Record is one line of the history of settings: who wanted what, when, and what came
// of it. It holds no secret.
type Record struct {
	At       time.Time `json:"at"`
	Kind     Kind      `json:"kind"`
	By       string    `json:"by"`
	What     string    `json:"what"`
	Revision int64     `json:"revision,omitempty"` // that the change proposed
	Outcome  Outcome   `json:"outcome"`
	SettleAt time.Time `json:"settledAt,omitzero"`
	Code     string    `json:"code,omitempty"`    // why it was refused
	Message  string    `json:"message,omitempty"` // the same in words
}

// History is the record of changes, newest last.
type History struct {
	Records []Record `json:"records"`
	Dropped int64    `json:"dropped"` // older records that are no longer kept here
}
