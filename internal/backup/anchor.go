package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"
)

// Anchor is what a share is told of how far a controller's settings and its ledger there
// are. Settings that show an earlier state later were set back. It is signed with the key
// that signs backups, and holds nothing secret.
type Anchor struct {
	Generation int64      `json:"generation"` // of the file, 1 for the first; the newest counts
	Instance   string     `json:"instance"`   // short name
	Controller string     `json:"controller"` // ID
	Revision   int64      `json:"revision"`   // of the active settings
	Settings   string     `json:"settings"`   // that revision's fingerprint, a SHA-256
	Ledger     LedgerHead `json:"ledger"`     // of the ledger on this share; zero when there is none yet
	At         time.Time  `json:"at"`         // UTC
	Signer     string     `json:"signer"`     // fingerprint of the key that signs it
}

// Limits of an anchor that others may have written.
const (
	MaxAnchorBytes = 8 << 10 // with its signature
	maxAnchorLine  = 4 << 10
	// MaxGeneration bounds the number in the name of an anchor.
	MaxGeneration = 1<<53 - 1
)

var anchorPattern = regexp.MustCompile(`^settings-(\d{16})\.anchor$`)

// AnchorFile names the file of an anchor in [StagingDir], where readers that know of no
// anchors pass over it. Names sort by generation.
func AnchorFile(generation int64) string { return fmt.Sprintf("settings-%016d.anchor", generation) }

// ParseAnchorFile takes a name made by [AnchorFile] apart.
func ParseAnchorFile(name string) (int64, error) {
	m := anchorPattern.FindStringSubmatch(name)
	if m == nil {
		return 0, fmt.Errorf("%q is not the name of an anchor", name)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || n < 1 || n > MaxGeneration {
		return 0, fmt.Errorf("%q is not the name of an anchor: its number is out of range", name)
	}
	return n, nil
}

// Says reports whether two anchors tell the same of settings and ledger.
func (a Anchor) Says(other Anchor) bool {
	return a.Controller == other.Controller && a.Revision == other.Revision && a.Settings == other.Settings && a.Ledger == other.Ledger
}

// Encode renders the anchor as one line of JSON with a final newline: what is signed.
func (a Anchor) Encode() ([]byte, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	line, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("encode anchor: %w", err)
	}
	return append(line, '\n'), nil
}

// DecodeAnchor reads the line of an anchor that others may have written. Fields that it
// does not know are passed over.
func DecodeAnchor(line []byte) (Anchor, error) {
	if len(line) > maxAnchorLine {
		return Anchor{}, fmt.Errorf("anchor is larger than %d bytes", maxAnchorLine)
	}
	var a Anchor
	dec := json.NewDecoder(bytes.NewReader(line))
	if err := dec.Decode(&a); err != nil {
		return Anchor{}, fmt.Errorf("decode anchor: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Anchor{}, errors.New("decode anchor: something follows it")
	}
	return a, a.Validate()
}

// Validate checks what every reader relies on.
func (a Anchor) Validate() error {
	switch {
	case a.Generation < 1 || a.Generation > MaxGeneration:
		return fmt.Errorf("anchor: generation %d is out of range", a.Generation)
	case !controllerPattern.MatchString(a.Controller):
		return errors.New("anchor: the controller is no GUID")
	case a.Revision < 1:
		return errors.New("anchor: the revision of the settings is missing")
	case !digestPattern().MatchString(a.Settings):
		return errors.New("anchor: the fingerprint of the settings is no SHA-256")
	case a.Ledger != (LedgerHead{}) && (a.Ledger.Sequence < 1 || a.Ledger.Sequence > MaxLedgerEntries || !digestPattern().MatchString(a.Ledger.SHA256)):
		return errors.New("anchor: the head of the ledger names no entry")
	case a.At.IsZero() || a.At.Location() != time.UTC:
		return errors.New("anchor: the time is missing or not in UTC")
	case a.Signer == "" || len(a.Signer) > maxLedgerText || !utf8.ValidString(a.Signer):
		return errors.New("anchor: the signer is missing or no text")
	}
	if err := ValidateInstanceName(a.Instance); err != nil {
		return fmt.Errorf("anchor: %w", err)
	}
	return nil
}
