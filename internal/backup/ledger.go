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

// LedgerAction says what an entry of the ledger records.
type LedgerAction string

// The actions. Those from Created on concern one backup.
const (
	LedgerBegun       LedgerAction = "begun"       // first entry of a chain
	LedgerTakenOver   LedgerAction = "takenOver"   // another controller goes on with the folder
	LedgerSigner      LedgerAction = "signer"      // a new signing key; Key is its public half
	LedgerCreated     LedgerAction = "created"     // a backup was published
	LedgerAdopted     LedgerAction = "adopted"     // a backup that was there before the ledger knew it
	LedgerRewrapped   LedgerAction = "rewrapped"   // key.age was wrapped to other recipients
	LedgerReencrypted LedgerAction = "reencrypted" // the parts were encrypted to another backup key
	LedgerDeleted     LedgerAction = "deleted"     // removed on request
	LedgerPruned      LedgerAction = "pruned"      // removed by retention
)

// LedgerEntry is one link of the ledger: a chain, signed link by link, of everything
// that was done to the backups of one folder. Each entry names the digest of the one
// before it, so the newest one vouches for all.
type LedgerEntry struct {
	Sequence   int64        `json:"sequence"`           // 1 for the first, without holes
	Previous   string       `json:"previous,omitempty"` // SHA-256 of the entry before, as [LedgerEntry.Encode] writes it; empty for the first
	At         time.Time    `json:"at"`                 // UTC
	Instance   string       `json:"instance"`           // short name
	Controller string       `json:"controller"`         // ID of the controller that made the entry
	Action     LedgerAction `json:"action"`
	BackupID   ID           `json:"backupId,omitempty"`
	Folder     string       `json:"folder,omitempty"`     // of the backup, in backups/
	SumsSHA256 string       `json:"sumsSha256,omitempty"` // of the backup's SHA256SUMS from now on; empty when it is gone
	Recipients []Recipient  `json:"recipients,omitempty"` // to whom key.age is wrapped from now on
	Key        string       `json:"key,omitempty"`        // public half of a new signing key
	By         string       `json:"by"`                   // who asked for it
	Signer     string       `json:"signer"`               // fingerprint of the key that signs the entry
}

// LedgerHead names the newest entry of a ledger, and with it all the others. The
// zero value is the head of an empty ledger.
type LedgerHead struct {
	Sequence int64  `json:"sequence"`
	SHA256   string `json:"sha256"`
}

// String is the head as people copy it: the sequence, a colon, the digest.
func (h LedgerHead) String() string { return fmt.Sprintf("%d:%s", h.Sequence, h.SHA256) }

// ParseLedgerHead reads what [LedgerHead.String] writes.
func ParseLedgerHead(s string) (LedgerHead, error) {
	m := headPattern.FindStringSubmatch(s)
	if m == nil {
		return LedgerHead{}, fmt.Errorf("%q is not the head of a ledger: want its sequence, a colon and a SHA-256", s)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || n > MaxLedgerEntries {
		return LedgerHead{}, fmt.Errorf("%q is not the head of a ledger: the sequence is too large", s)
	}
	return LedgerHead{Sequence: n, SHA256: m[2]}, nil
}

// Limits of a ledger that others may have written.
const (
	MaxLedgerEntries    = 50_000  // 30 years of four entries a day
	MaxLedgerEntryBytes = 8 << 10 // of one entry with its signature
	maxLedgerLine       = 7 << 10 // of the entry alone: an armored signature has about 300 bytes
	maxLedgerText       = 1 << 10 // of one text in an entry
)

var (
	headPattern       = regexp.MustCompile(`^([1-9]\d{0,6}):([0-9a-f]{64})$`)
	entryPattern      = regexp.MustCompile(`^(\d{8})\.entry$`)
	controllerPattern = idPattern
)

// LedgerFile names the file of an entry in [LedgerDir]. Names sort by sequence.
func LedgerFile(sequence int64) string { return fmt.Sprintf("%08d.entry", sequence) }

// ParseLedgerFile takes a name made by [LedgerFile] apart.
func ParseLedgerFile(name string) (int64, error) {
	m := entryPattern.FindStringSubmatch(name)
	if m == nil {
		return 0, fmt.Errorf("%q is not the name of a ledger entry", name)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || n < 1 || n > MaxLedgerEntries {
		return 0, fmt.Errorf("%q is not the name of a ledger entry: its number is out of range", name)
	}
	return n, nil
}

// SameOperation reports whether two entries record the same thing done: action,
// backup, folder, sums, key and controller. Their place in the chain, their time and
// who asked do not count: these differ when an attempt is repeated.
func (e LedgerEntry) SameOperation(other LedgerEntry) bool {
	return e.Action == other.Action && e.BackupID == other.BackupID && e.Folder == other.Folder &&
		e.SumsSHA256 == other.SumsSHA256 && e.Key == other.Key && e.Controller == other.Controller
}

// Encode renders the entry as one line of JSON with a final newline: what is signed
// and what the next entry names the digest of. The same entry gives the same bytes.
func (e LedgerEntry) Encode() ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("encode ledger entry: %w", err)
	}
	if buf.Len() > maxLedgerLine {
		return nil, fmt.Errorf("encode ledger entry: it would have %d bytes, at most %d can be read", buf.Len(), maxLedgerLine)
	}
	return buf.Bytes(), nil
}

// DecodeLedgerEntry reads the line of an entry that others may have written. It takes
// exactly what [LedgerEntry.Encode] writes.
func DecodeLedgerEntry(line []byte) (LedgerEntry, error) {
	if len(line) > maxLedgerLine {
		return LedgerEntry{}, fmt.Errorf("ledger entry is larger than %d bytes", maxLedgerLine)
	}
	var e LedgerEntry
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return LedgerEntry{}, fmt.Errorf("decode ledger entry: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return LedgerEntry{}, errors.New("decode ledger entry: something follows it")
	}
	again, err := e.Encode()
	if err != nil {
		return LedgerEntry{}, err
	}
	if !bytes.Equal(again, line) {
		return LedgerEntry{}, errors.New("decode ledger entry: it is not written the way entries are")
	}
	return e, nil
}

// Validate checks what every reader relies on.
func (e LedgerEntry) Validate() error {
	switch {
	case e.Sequence < 1 || e.Sequence > MaxLedgerEntries:
		return fmt.Errorf("ledger entry: sequence %d is out of range", e.Sequence)
	case (e.Sequence == 1) != (e.Previous == ""):
		return errors.New("ledger entry: the first one, and no other, has no previous")
	case e.Previous != "" && !digestPattern().MatchString(e.Previous):
		return errors.New("ledger entry: previous is no SHA-256")
	case e.At.IsZero() || e.At.Location() != time.UTC:
		return errors.New("ledger entry: the time is missing or not in UTC")
	case !controllerPattern.MatchString(e.Controller):
		return errors.New("ledger entry: the controller is no GUID")
	case e.Signer == "":
		return errors.New("ledger entry: the signer is missing")
	}
	if err := ValidateInstanceName(e.Instance); err != nil {
		return fmt.Errorf("ledger entry: %w", err)
	}
	for _, text := range []string{e.By, e.Key, e.Signer} {
		if len(text) > maxLedgerText || !utf8.ValidString(text) {
			return errors.New("ledger entry: a text is too long or not UTF-8")
		}
	}
	if len(e.Recipients) > maxLedgerRecipients {
		return errors.New("ledger entry: too many recipients")
	}
	return e.validateAction()
}

const maxLedgerRecipients = 16

func (e LedgerEntry) validateAction() error {
	gone := e.Action == LedgerDeleted || e.Action == LedgerPruned
	switch e.Action {
	case LedgerBegun, LedgerTakenOver, LedgerSigner:
		if e.BackupID != "" || e.Folder != "" || e.SumsSHA256 != "" || len(e.Recipients) > 0 {
			return fmt.Errorf("ledger entry: %s concerns no backup", e.Action)
		}
		if (e.Action == LedgerSigner) != (e.Key != "") {
			return errors.New("ledger entry: a new signing key, and nothing else, has a key")
		}
		return nil
	case LedgerCreated, LedgerAdopted, LedgerRewrapped, LedgerReencrypted, LedgerDeleted, LedgerPruned:
	default:
		return fmt.Errorf("ledger entry: action %q is unknown", e.Action)
	}
	id, _, err := ParseFolderName(e.Folder)
	switch {
	case err != nil:
		return fmt.Errorf("ledger entry: %w", err)
	case id != e.BackupID:
		return errors.New("ledger entry: backup and folder differ")
	case gone && (e.SumsSHA256 != "" || len(e.Recipients) > 0):
		return errors.New("ledger entry: a backup that is gone has no sums")
	case !gone && !digestPattern().MatchString(e.SumsSHA256):
		return errors.New("ledger entry: the sums have no SHA-256")
	case e.Key != "":
		return errors.New("ledger entry: a new signing key, and nothing else, has a key")
	}
	return nil
}
