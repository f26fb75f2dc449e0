package settings

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// Fingerprint tells one revision from every other, also from another one that has the
// same number because the settings were set back in between. It is the SHA-256, in
// hexadecimal, of facts that never change once a revision is proposed; former signing
// keys are none of these, as some come with a revision only when it is activated.
// No secret goes into it, so it may stand where everybody reads it. The list of facts is
// fixed: what is added to the settings later stays out, or revisions that are active
// would change their fingerprints with an update of the product.
func (s Settings) Fingerprint() string {
	facts := []string{
		"infrabackup settings, version 1", fmt.Sprint(s.Revision), fmt.Sprint(s.Base), string(s.Kind), s.Instance.Name, s.Controller,
		s.ChangedAt.UTC().Format(time.RFC3339Nano), s.ChangedBy, s.Share.Path, string(s.Share.Transport), s.Credential.Username,
		fmt.Sprint(s.ProofDays), s.Signing.Public,
	}
	for _, r := range s.Recipients {
		facts = append(facts, r.Text)
	}
	text, err := json.Marshal(facts)
	if err != nil {
		return "" // a list of texts always has a JSON form
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Check makes sure that settings that came from elsewhere are complete, and those of the
// instance: whoever works with them does not believe where they came from. The codes are
// those of [Settings.Validate], and SETTINGS_INVALID for another instance's.
func (s Settings) Check(instance string) error {
	if s.Instance.Name != instance {
		return fault.Newf(fault.SettingsInvalid, "the settings are those of instance %.100q, not of %s", s.Instance.Name, instance)
	}
	return s.Validate()
}

// validate makes sure that what stands beside a key is true of it: people see its kind
// and fingerprint only, and backups are encrypted to its text.
func (r Recipient) validate() error {
	if r.Text == "" || r.Fingerprint == "" || len(r.Text) > maxRecipientText {
		return fault.Newf(fault.SettingsInvalid, "a recipient is empty or too long")
	}
	key, err := seal.ParseRecipient(r.Text)
	if err != nil {
		return fault.New(fault.SettingsInvalid, fmt.Sprintf("recipient %.100q cannot be used", r.Fingerprint), err)
	}
	if (r.Recipient != backup.Recipient{Kind: key.Kind, Fingerprint: key.Fingerprint}) || r.Text != key.Text {
		return fault.Newf(fault.SettingsInvalid, "a recipient is given as %.20q %.100q, and its key is %s %s", r.Kind, r.Fingerprint, key.Kind, key.Fingerprint)
	}
	if r.Thumbprint != "" && !thumbprintPattern.MatchString(r.Thumbprint) {
		return fault.Newf(fault.SettingsInvalid, "the thumbprint %.100q is not a SHA-1 in upper-case hex", r.Thumbprint)
	}
	return nil
}

var thumbprintPattern = regexp.MustCompile(`^[0-9A-F]{40}$`)

// validate makes sure that the public half is that of the private one, and that former
// keys are keys.
func (s Signing) validate() error {
	if s.PrivateKey.IsZero() || s.Public == "" {
		return fault.Newf(fault.SettingsInvalid, "the signing key is missing")
	}
	if len(s.Former) > MaxFormerSigners {
		return fault.Newf(fault.SettingsInvalid, "more than %d former signing keys cannot be kept", MaxFormerSigners)
	}
	key, err := seal.ParseSigningKey(s.PrivateKey.String)
	if err != nil {
		return fault.New(fault.SettingsInvalid, "the signing key cannot be used", err)
	}
	if key.Public() != s.Public {
		return fault.Newf(fault.SettingsInvalid, "the public half of the signing key is that of another key")
	}
	for i, former := range s.Former {
		if err := checkSigner(former); err != nil {
			return err
		}
		if former == s.Public || slices.Contains(s.Former[:i], former) {
			return fault.Newf(fault.SettingsInvalid, "a signing key is given twice")
		}
	}
	return nil
}

// checkSigner makes sure that a text is the public half of a signing key, spelled in the
// one way in which this product spells it.
func checkSigner(public string) error {
	keys, err := seal.ParseAllowedSigners(seal.AllowedSigners(public))
	if err != nil || len(keys) != 1 || keys[0] != public {
		return fault.New(fault.SettingsInvalid, "a former signing key is none", err)
	}
	return nil
}

// fingerprintOf names a signing key for people.
func fingerprintOf(public string) string {
	fingerprint, err := seal.SignerFingerprint(public)
	if err != nil {
		return "a key that cannot be read"
	}
	return fingerprint
}

// DescribeSigners says which signing keys count besides from now on.
func DescribeSigners(added []string) string {
	text := "signatures count from now on by"
	for i, public := range added {
		if i > 0 {
			text += ","
		}
		text += " " + fingerprintOf(public)
	}
	return text
}
