package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"
	"time"
)

// MaxManifestBytes bounds what is read of a manifest.json that others may have
// written.
const MaxManifestBytes = 4 << 20

// Manifest holds the public facts of a backup. It is not encrypted: it holds no
// value of an item and no secret. It names items only where something is wrong with
// them: in gaps, and in the list of dangling references. SHA256SUMS covers it, so its
// signature does too.
type Manifest struct {
	Format      int       `json:"format"`      // FormatVersion at the time of writing
	Product     string    `json:"product"`     // name and version of the writer
	BackupID    ID        `json:"backupId"`    // the backup
	Instance    Instance  `json:"instance"`    // the cloud that was captured
	Status      Status    `json:"status"`      // Succeeded or PartialSucceeded
	StartedAt   time.Time `json:"startedAt"`   // UTC, start of the run
	FinishedAt  time.Time `json:"finishedAt"`  // UTC, when the manifest was written
	RequestedBy string    `json:"requestedBy"` // caller's identity, as the caller gave it
	TotalBytes  int64     `json:"totalBytes"`  // sum of the sizes of Files

	Services []ServiceResult `json:"services"` // one for each service that was asked for
	// Consistency tells how well the services fit together; nil in manifests of
	// versions that did not check.
	Consistency *Consistency `json:"consistency,omitempty"`

	Files      []File      `json:"files"`      // parts and catalog, not the sums, key or manifest
	Recipients []Recipient `json:"recipients"` // to whom key.age was wrapped when the backup was made
	BackupKey  string      `json:"backupKey"`  // public half of the backup key, age1…
	Signer     string      `json:"signer"`     // fingerprint of the signing key, SHA256:…
	Previous   *Previous   `json:"previous"`   // newest backup before this one, null for the first
}

// Instance names the cloud that is backed up.
type Instance struct {
	Name         string `json:"name"`         // short name: folder on the share, prefix of workflow IDs
	FQDN         string `json:"fqdn"`         // external domain name
	Region       string `json:"region"`       // Azure Stack's "location"
	DeploymentID string `json:"deploymentId"` // GUID of the deployment
}

var instancePattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`) })

// ValidateInstanceName accepts a DNS label in lower case: the name becomes a
// folder, a task queue and a workflow ID.
func ValidateInstanceName(name string) error {
	if !instancePattern().MatchString(name) {
		return fmt.Errorf("instance name %q: use 1 to 63 of a-z, 0-9 and '-', not starting or ending with '-'", name)
	}
	return nil
}

// ServiceResult is what became of one service in one backup.
type ServiceResult struct {
	Service     Service           `json:"service"`
	Status      Status            `json:"status"`
	File        string            `json:"file,omitempty"` // name of the part, empty when there is none
	Items       int64             `json:"items"`          // items in the part, superseded records not counted
	Bytes       int64             `json:"bytes"`          // size of the part on the share
	PlainBytes  int64             `json:"plainBytes"`     // size of its tar stream before compression
	WindowStart time.Time         `json:"windowStart"`    // UTC, first read from the source
	WindowEnd   time.Time         `json:"windowEnd"`      // UTC, last read
	Cursor      map[string]string `json:"cursor"`         // consistency markers of the source, such as a USN, and lifetimes
	Gaps        []Gap             `json:"gaps"`           // what could not be captured
	Code        string            `json:"code,omitempty"`
	Message     string            `json:"message,omitempty"`
}

// Names in the cursor of [AD] that others than its collector read: days for which the directory
// remembers what was deleted. One that the directory does not set is not there.
const (
	TombstoneLifetime     = "tombstoneLifetime"     // tombstoneLifetime of CN=Directory Service (MS-ADTS 6.1.1.2.4.1.1)
	DeletedObjectLifetime = "deletedObjectLifetime" // msDS-DeletedObjectLifetime of the same object
)

// Gap names something that exists in the source and is not in the part, and why.
// Gaps never hold values.
type Gap struct {
	Code   string `json:"code"`            // stable, such as KEY_NOT_EXPORTABLE
	Object string `json:"object"`          // what is missing
	Reason string `json:"reason"`          // one sentence for the operator
	Count  int64  `json:"count,omitempty"` // how many objects, when Object stands for several
}

// File is one file of a backup with its digest.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // lower-case hex
}

// Holds reports whether data is what the file is described to hold.
func (f File) Holds(data []byte) bool {
	sum := sha256.Sum256(data)
	return int64(len(data)) == f.Size && hex.EncodeToString(sum[:]) == f.SHA256
}

// Recipient is the public half of an operator's encryption key.
type Recipient struct {
	Kind        string `json:"kind"`        // x25519, ssh-rsa or mlkem768x25519
	Fingerprint string `json:"fingerprint"` // SHA256:… of the public key
}

// Previous links a backup to the one that was the newest when it was made.
type Previous struct {
	BackupID       ID     `json:"backupId"`
	ManifestSHA256 string `json:"manifestSha256"`
}

// Encode renders the manifest as indented JSON with a final newline. The same
// manifest gives the same bytes.
func (m *Manifest) Encode() ([]byte, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m); err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	if buf.Len() > MaxManifestBytes {
		return nil, fmt.Errorf("encode manifest: it would have %d bytes, at most %d can be read", buf.Len(), MaxManifestBytes)
	}
	return buf.Bytes(), nil
}

// DecodeManifest reads a manifest that others may have written: at most
// [MaxManifestBytes], one JSON document, validated.
func DecodeManifest(r io.Reader) (*Manifest, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxManifestBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	if len(data) > MaxManifestBytes {
		return nil, fmt.Errorf("manifest is larger than %d bytes", MaxManifestBytes)
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("decode manifest: %w", err)
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return &m, nil
}

var (
	digestPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{64}$`) })
	filePattern   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,99}$`) })
)

// Validate checks what every reader relies on: a known format, an ID, an
// instance, file names that cannot leave the backup's folder, and bounded lists.
func (m *Manifest) Validate() error {
	if m.Format != FormatVersion {
		return fmt.Errorf("manifest has format %d, this program reads format %d", m.Format, FormatVersion)
	}
	if _, err := ParseID(string(m.BackupID)); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if err := ValidateInstanceName(m.Instance.Name); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if m.StartedAt.IsZero() {
		return errors.New("manifest: startedAt is missing")
	}
	seen := map[string]bool{}
	for _, f := range m.Files {
		switch {
		case !filePattern().MatchString(f.Name):
			return fmt.Errorf("manifest: %q is not a file name that a backup can have", f.Name)
		case seen[f.Name]:
			return fmt.Errorf("manifest: file %s is listed twice", f.Name)
		case f.Size < 0:
			return fmt.Errorf("manifest: file %s has a negative size", f.Name)
		case !digestPattern().MatchString(f.SHA256):
			return fmt.Errorf("manifest: file %s has no valid SHA-256", f.Name)
		}
		seen[f.Name] = true
	}
	services := map[Service]bool{}
	for _, s := range m.Services {
		if services[s.Service] {
			return fmt.Errorf("manifest: service %s is listed twice", s.Service)
		}
		services[s.Service] = true
		if s.Items < 0 || s.Bytes < 0 || s.PlainBytes < 0 {
			return fmt.Errorf("manifest: service %s has a negative count or size", s.Service)
		}
		if s.File != "" && !seen[s.File] {
			return fmt.Errorf("manifest: service %s names file %q, which is not listed", s.Service, s.File)
		}
	}
	if m.Consistency != nil {
		if err := m.Consistency.validate(); err != nil {
			return fmt.Errorf("manifest: consistency: %w", err)
		}
	}
	return nil
}
