package drill

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
)

// Format is the version of the certificate.
const Format = 1

// MaxCertificate bounds the file of a certificate.
const MaxCertificate = 1 << 20

// Result is what came of a drill.
type Result string

// The results.
const (
	Passed    Result = "passed"
	NotPassed Result = "failed"
)

// Certificate is what a drill has proven, as one line of JSON that a signature stands beside.
// Its members are in this order, so that equal certificates have equal bytes.
type Certificate struct {
	Format   int             `json:"format"`
	DrillID  backup.ID       `json:"drillId"`
	Result   Result          `json:"result"`
	Backup   Backup          `json:"backup"`
	Instance backup.Instance `json:"instance"`
	Target   Target          `json:"target"`
	Product  string          `json:"product"`
	PlanID   string          `json:"planId"`
	// Mapping is the digest of the map by which the backup was restored and compared, empty for
	// a target with the names of the cloud.
	Mapping  string         `json:"mappingSha256,omitempty"`
	Key      string         `json:"key"` // public half of the key that opened the backup
	Totals   restore.Totals `json:"totals"`
	Services []Service      `json:"services"`
	// Unexplained counts differences that neither the plan nor the table of expected ones
	// explains; Findings are the first of them.
	Unexplained   int64     `json:"unexplained"`
	Findings      []Finding `json:"findings"`
	Explained     []Class   `json:"explained"`     // by reason
	NotRestorable []Class   `json:"notRestorable"` // losses and refusals of the plan, by code
	Report        string    `json:"reportSha256"`  // of the whole comparison as JSON
	StartedAt     time.Time `json:"startedAt"`     // UTC, as EndedAt
	EndedAt       time.Time `json:"endedAt"`
	Phases        []Phase   `json:"phases"`
	Kept          bool      `json:"kept"` // what was restored was left in the target
	By            string    `json:"by"`
	Previous      string    `json:"previousSha256"` // of the certificate before, empty for the first
	DoesNotProve  []string  `json:"doesNotProve"`
}

// Limits are what no drill of this version proves.
func Limits() []string {
	return []string{"contents of disks", "backup blobs of vaults, which another stamp does not take", "that Windows starts", "a stamp's hardware, where the target is a stand-in"}
}

// Backup names what was restored.
type Backup struct {
	ID        backup.ID `json:"id"`
	Path      string    `json:"path"`           // on the share
	Manifest  string    `json:"manifestSha256"` // its manifest names the digests of its files
	StartedAt time.Time `json:"startedAt"`
	Verified  bool      `json:"verified"` // a trusted key had signed it
}

// Target names where it was restored to.
type Target struct {
	Name         string `json:"name"`
	FQDN         string `json:"fqdn"`
	DeploymentID string `json:"deploymentId"`
	ItemsBefore  int64  `json:"itemsBefore"` // when the drill began
}

// Service is what came of one service.
type Service struct {
	Service     backup.Service `json:"service"`
	Items       int64          `json:"items"` // in the backup
	Found       int64          `json:"found"` // in the target afterwards
	Created     int64          `json:"created"`
	Updated     int64          `json:"updated"`
	Undeleted   int64          `json:"undeleted"`
	Skipped     int64          `json:"skipped"` // the target had it
	Compared    bool           `json:"compared"`
	Reason      string         `json:"reason"` // why it was not compared
	Equal       int64          `json:"equal"`
	Alike       int64          `json:"alike"`
	Explained   int64          `json:"explained"` // items whose difference is explained
	Unexplained int64          `json:"unexplained"`
}

// Restored counts what was made, changed or undeleted.
func (s Service) Restored() int64 { return s.Created + s.Updated + s.Undeleted }

// Finding is one difference that nothing explains.
type Finding struct {
	Service backup.Service `json:"service"`
	Kind    string         `json:"kind"`
	ID      string         `json:"id"`
	Change  string         `json:"change"`
	Path    string         `json:"path"` // the first property of it
}

// Class counts differences of one reason.
type Class struct {
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
}

// Phase is a part of a drill with how long it took.
type Phase struct {
	Name         string `json:"name"`
	Milliseconds int64  `json:"ms"`
}

// Encode returns the line that is signed.
func (c *Certificate) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(c); err != nil {
		return nil, fault.New(fault.Internal, "encode the certificate of a drill", err)
	}
	return b.Bytes(), nil
}

// Decode reads a certificate, and only in the form in which Encode writes it: what was signed
// cannot be read in two ways. CERTIFICATE_INVALID otherwise.
func Decode(data []byte) (*Certificate, error) {
	if len(data) > MaxCertificate {
		return nil, invalid(errors.New("it is too large"))
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	c := &Certificate{}
	if err := d.Decode(c); err != nil {
		return nil, invalid(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, invalid(errors.New("something follows it"))
	}
	if err := c.check(); err != nil {
		return nil, invalid(err)
	}
	again, err := c.Encode()
	if err != nil || !bytes.Equal(again, data) {
		return nil, invalid(errors.New("it is written in another form"))
	}
	return c, nil
}

func invalid(err error) error {
	return fault.New(fault.CertificateInvalid, "this is no certificate of a drill", err)
}

// check holds what was read to what can be true.
func (c *Certificate) check() error {
	if c.Format != Format {
		return fmt.Errorf("its format is %d, and this version knows %d", c.Format, Format)
	}
	if _, err := backup.ParseID(string(c.DrillID)); err != nil {
		return fmt.Errorf("drillId: %w", err)
	}
	if _, err := backup.ParseID(string(c.Backup.ID)); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if c.EndedAt.Before(c.StartedAt) {
		return errors.New("it ended before it began")
	}
	var unexplained int64
	for i, s := range c.Services {
		if _, err := backup.ParseService(string(s.Service)); err != nil || slices.ContainsFunc(c.Services[:i], func(o Service) bool { return o.Service == s.Service }) {
			return fmt.Errorf("service %q is unknown or there twice", s.Service)
		}
		unexplained += s.Unexplained
	}
	if unexplained != c.Unexplained {
		return errors.New("its counts do not add up")
	}
	if c.Result != c.verdict() {
		return fmt.Errorf("it says %q, and what it holds does not", c.Result)
	}
	return nil
}
