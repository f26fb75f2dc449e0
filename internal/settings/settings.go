package settings

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
	"infrabackup/internal/share"
)

// Limits of what is accepted.
const (
	MaxRecipients    = 16
	maxRecipientText = 8 << 10 // an age post-quantum recipient has about 2 KiB
	// MaxFormerSigners bounds how many retired signing keys are still trusted.
	MaxFormerSigners = 64
	// DefaultProofDays is how long a key may go without a proof that somebody holds it.
	DefaultProofDays = 90
	maxProofDays     = 3650
	// MaxUsername and MaxPassword bound the credential for the share, in bytes.
	MaxUsername = 256
	MaxPassword = 512
)

// Settings is everything that is needed to back up one instance. A value is
// immutable: a change makes the next revision.
type Settings struct {
	Revision   int64           `json:"revision"`
	Instance   backup.Instance `json:"instance"`
	Share      Share           `json:"share"`
	Credential Credential      `json:"credential"`
	Recipients []Recipient     `json:"recipients"`
	Signing    Signing         `json:"signing"`
	// Services are what a backup has to contain, in the usual order. Empty in settings of
	// earlier versions: then it is whatever the workers have sources for.
	Services  []backup.Service `json:"services,omitempty"`
	ProofDays int              `json:"proofDays"` // after which an unproven key is warned of, DefaultProofDays when 0
	ChangedAt time.Time        `json:"changedAt"`
	ChangedBy string           `json:"changedBy"`

	// Controller is the ID under which this controller writes to the share. It stays
	// the same for as long as the settings entity lives.
	Controller string `json:"controller"`
	// Base is the revision that this one was made from, 0 for the first.
	Base int64 `json:"base"`
	// Kind says what the change to this revision was about.
	Kind Kind `json:"kind"`
}

// Share is the external store.
type Share struct {
	Path      string          `json:"path"` // UNC path, such as \\fs.example.com\AzSBackups
	Transport share.Transport `json:"transport"`
}

// Credential is the account on the share.
type Credential struct {
	Username string          `json:"username"` // DOMAIN\user or user@realm
	Password secret.Transfer `json:"password"`
}

// Recipient is an operator's public key.
type Recipient struct {
	backup.Recipient
	Text    string    `json:"text"`             // age recipient: age1…, age1pq1… or ssh-rsa …
	Expires time.Time `json:"expires,omitzero"` // of the certificate that it came from, else zero
	// Thumbprint is that of the certificate that it came from: SHA-1 in upper-case hex. Empty
	// in settings of earlier versions.
	Thumbprint string `json:"thumbprint,omitempty"`
}

// Signing is the key that signs backups.
type Signing struct {
	PrivateKey secret.Transfer `json:"privateKey"`       // OpenSSH PEM, Ed25519
	Public     string          `json:"public"`           // authorized_keys form
	Former     []string        `json:"former,omitempty"` // public keys that signed earlier backups, oldest first
}

// Publics returns the public keys whose signatures count, the one in use last.
func (s Signing) Publics() []string { return append(s.Former[:len(s.Former):len(s.Former)], s.Public) }

// PublicRecipients returns the recipients as the manifest lists them.
func (s Settings) PublicRecipients() []backup.Recipient {
	out := make([]backup.Recipient, 0, len(s.Recipients))
	for _, r := range s.Recipients {
		out = append(out, r.Recipient)
	}
	return out
}

// Validate checks form, not reality: whether the share answers is found out by
// probing it. What can be computed is computed and not believed: kinds and fingerprints
// of keys, and the public half of the signing key. It returns a SETTINGS_INVALID fault,
// or the share's own code for a malformed or unsupported path.
func (s Settings) Validate() error {
	if err := backup.ValidateInstanceName(s.Instance.Name); err != nil {
		return fault.New(fault.SettingsInvalid, "the instance's name was refused", err)
	}
	if _, err := share.ParseUNC(s.Share.Path); err != nil {
		return err
	}
	if s.Share.Transport != share.Encrypted && s.Share.Transport != share.Signed {
		return fault.Newf(fault.SettingsInvalid, "transport %q is neither %q nor %q", s.Share.Transport, share.Encrypted, share.Signed)
	}
	if err := s.Credential.validate(); err != nil {
		return err
	}
	if len(s.Recipients) == 0 {
		return fault.Newf(fault.SettingsInvalid, "no recipient is given, so no key could open a backup")
	}
	if len(s.Recipients) > MaxRecipients {
		return fault.Newf(fault.SettingsInvalid, "%d recipients are given, at most %d are kept", len(s.Recipients), MaxRecipients)
	}
	seen := map[string]bool{}
	for _, r := range s.Recipients {
		if err := r.validate(); err != nil {
			return err
		}
		if seen[r.Fingerprint] {
			return fault.Newf(fault.SettingsInvalid, "recipient %s is given twice", r.Fingerprint)
		}
		seen[r.Fingerprint] = true
	}
	if err := validateServices(s.Services); err != nil {
		return err
	}
	if s.ProofDays < 0 || s.ProofDays > maxProofDays {
		return fault.Newf(fault.SettingsInvalid, "a key is to be proven every 1 to %d days, not %d", maxProofDays, s.ProofDays)
	}
	return s.Signing.validate()
}

// validateServices wants services that exist, each once and in the usual order.
func validateServices(services []backup.Service) error {
	all := backup.Services()
	last := -1
	for _, service := range services {
		i := slices.Index(all, service)
		switch {
		case i < 0:
			return fault.Newf(fault.SettingsInvalid, "%q is no service; those that exist are %s", service, Join(all))
		case i <= last:
			return fault.Newf(fault.SettingsInvalid, "the services are not in the usual order, or one is given twice: %s", Join(services))
		}
		last = i
	}
	return nil
}

// Join lists services for people.
func Join(services []backup.Service) string {
	names := make([]string, len(services))
	for i, s := range services {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

func (c Credential) validate() error {
	switch {
	case c.Username == "":
		return fault.Newf(fault.SettingsInvalid, "the user name for the share is missing")
	case len(c.Username) > MaxUsername:
		return fault.Newf(fault.SettingsInvalid, "the user name for the share is longer than %d bytes", MaxUsername)
	case !utf8.ValidString(c.Username) || strings.ContainsAny(c.Username, "\x00\r\n"):
		return fault.Newf(fault.SettingsInvalid, "the user name for the share has a control character or is not UTF-8")
	case c.Password.IsZero():
		return fault.Newf(fault.SettingsInvalid, "the password for the share is missing")
	case len(c.Password.Reveal()) > MaxPassword:
		return fault.Newf(fault.SettingsInvalid, "the password for the share is longer than %d bytes", MaxPassword)
	case !utf8.ValidString(c.Password.Reveal()) || strings.ContainsRune(c.Password.Reveal(), 0):
		// JSON would replace such bytes in silence, and NTLM hashes UTF-16.
		return fault.Newf(fault.SettingsInvalid, "the password for the share is not UTF-8, or has a NUL")
	}
	return nil
}

// Place names the share such that all spellings of a path are one: its ledger is kept
// under this name.
func (s Share) Place() string {
	path := strings.Trim(strings.ReplaceAll(s.Path, "/", `\`), `\`)
	return `\\` + strings.ToLower(path)
}

// InstanceFolder is where an instance's backups lie on the share.
func (s Share) InstanceFolder(instance string) string {
	return strings.TrimRight(strings.ReplaceAll(s.Path, "/", `\`), `\`) + `\` + instance
}

// Within reports whether the share is the folder, given as a UNC path, or lies in it.
func (s Share) Within(folder string) bool {
	place, above := s.Place(), Share{Path: folder}.Place()
	return place == above || strings.HasPrefix(place, above+`\`)
}
