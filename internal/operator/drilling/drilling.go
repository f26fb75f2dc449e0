package drilling

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/build"
	"infrabackup/internal/diff"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/operator/comparing"
	"infrabackup/internal/operator/live"
	"infrabackup/internal/operator/restoring"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/drill"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/statedir"
	"infrabackup/internal/seal"
)

// Request is a drill that an operator asks for.
type Request struct {
	Identities []seal.Identity
	// Services are drilled; empty for all that the target has a restorer for.
	Services []backup.Service
	// State is where the journal of the restore lies, as for a recovery.
	State statedir.Store
	// Site has the target's names where they are others than those of the backup's cloud.
	Site *mapping.Site
	// Keep leaves in the target what was restored.
	Keep bool
	// Certificates is the folder that the certificate goes to: it names the one before, and has
	// to take a file before anything is restored.
	Certificates string
	// Begun, when not nil, is told of each phase.
	Begun func(phase string)
	// Left, when not nil, is told of the restore that is still in the target when a drill
	// ends with an error: its plan's ID, which an undo takes.
	Left func(planID string)
}

// Outcome is a drill that has ended.
type Outcome struct {
	Certificate *drill.Certificate
	Report      *result.Report
}

// Run drills. It writes to a target whose configuration says that it is there for drills, and
// that is not the cloud that was backed up, TARGET_NO_DRILL otherwise. A drill that proved that
// something does not come back is no error: the certificate says so. Errors are those of
// planning, applying, capturing, comparing and undoing.
func Run(ctx context.Context, b restoring.Backup, t *restoring.Target, r Request) (*Outcome, error) {
	d := &running{backup: b, target: t, request: r, began: time.Now()}
	if len(d.request.Services) == 0 {
		d.request.Services = t.Services()
	}
	if err := d.allowed(); err != nil {
		return nil, err
	}
	var err error
	if d.certificate.Previous, err = prepare(ctx, r.Certificates); err != nil {
		return nil, err
	}
	if d.certificate.DrillID, err = backup.NewID(rand.Reader); err != nil {
		return nil, fault.New(fault.Internal, "name the drill", err)
	}
	for _, phase := range []struct {
		name string
		do   func(context.Context) error
	}{{"look", d.look}, {"plan", d.plan}, {"apply", d.apply}, {"capture", d.capture}, {"compare", d.compare}, {"undo", d.undo}} {
		if r.Begun != nil {
			r.Begun(phase.name)
		}
		began := time.Now()
		if err := phase.do(ctx); err != nil {
			if d.applying && r.Left != nil {
				r.Left(d.planned.Header.PlanID)
			}
			return nil, err
		}
		d.certificate.Phases = append(d.certificate.Phases, drill.Phase{Name: phase.name, Milliseconds: time.Since(began).Milliseconds()})
	}
	return &Outcome{&d.certificate, d.report}, d.conclude()
}

// running is a drill that runs.
type running struct {
	backup      restoring.Backup
	target      *restoring.Target
	request     Request
	began       time.Time
	before      map[restore.Key]bool
	planned     *restore.Plan
	applying    bool // something may have been written
	file        []byte
	totals      restore.Totals
	learned     []mapping.Pair
	after       *live.Capture
	report      *result.Report
	certificate drill.Certificate
}

// allowed refuses a target that is not there for drills.
func (d *running) allowed() error {
	cloud := d.backup.Cloud()
	own := d.target.Fingerprint
	own.FQDN = "" // a target for drills may have the name of the cloud that it stands for
	switch {
	case !d.target.ForDrills():
		return fault.Newf(fault.TargetNoDrill, "the file of the target %s does not say that it is there for drills", own.Name)
	case own.MayBe(cloud):
		return fault.Newf(fault.TargetNoDrill, "the target %s may be the cloud that was backed up", own.Name)
	}
	return nil
}

// look notes what the target has before anything is written.
func (d *running) look(ctx context.Context) error {
	all, err := d.target.Capture(ctx, d.request.Services)
	if err != nil {
		return err
	}
	d.before = map[restore.Key]bool{}
	return all.Catalog(ctx, func(e backup.CatalogEntry) error {
		d.before[drill.Key(e.Service, e.Kind, e.ID)] = true
		return nil
	})
}

func (d *running) plan(ctx context.Context) (err error) {
	d.planned, err = restoring.Plan(ctx, d.backup, d.target, restoring.Request{Selection: restore.Selection{Services: d.request.Services}, Site: d.request.Site})
	if err != nil {
		return err
	}
	d.file, err = restoring.Seal(d.planned, d.request.Identities)
	return err
}

// application is how a drill applies and undoes: it agrees to everything, since its target is
// there for that.
func (d *running) application() restoring.Application {
	return restoring.Application{State: d.request.State, Consent: restore.Consent{Production: d.target.Fingerprint.ID(), Irreversible: []string{restore.AllIrreversible}}}
}

// reopened gives the plan the backup that is open.
func (d *running) reopened(context.Context, backup.ID) (restoring.Backup, error) {
	return d.backup, nil
}

func (d *running) apply(ctx context.Context) (err error) {
	d.applying = true
	done, err := restoring.Apply(ctx, d.file, d.request.Identities, d.target, d.reopened, d.application())
	d.totals, d.learned = done.Totals, done.Learned
	return err
}

func (d *running) capture(ctx context.Context) (err error) {
	d.after, err = d.target.Capture(ctx, d.request.Services)
	return err
}

func (d *running) compare(ctx context.Context) (err error) {
	d.report, err = comparing.Across(ctx, d.backup.Backup, d.after, d.request.Identities, d.request.Site, d.learned, diff.Options{Services: d.request.Services, Random: rand.Reader})
	d.after = nil // it has secrets, and is large
	return err
}

// undo takes the restore back, unless it is to be kept.
func (d *running) undo(ctx context.Context) (err error) {
	if d.request.Keep {
		return nil
	}
	u, err := restoring.PrepareUndo(ctx, d.planned.Header.PlanID, d.request.Identities, d.target, d.reopened, d.application())
	if fault.CodeOf(err) == fault.ItemNotFound {
		return nil // nothing was changed
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, u.Close()) }()
	totals, err := u.Apply(ctx, d.target, d.application())
	if err == nil && !totals.Whole() {
		err = fault.Newf(fault.RestoreIncomplete, "not all of the drill was taken back: %d refused, %d failed", totals.Refused, totals.Failed)
	}
	return err
}

// conclude fills in the certificate.
func (d *running) conclude() error {
	c, origin := &d.certificate, d.planned.Header.Origin
	whole, err := json.Marshal(d.report)
	if err != nil {
		return fault.New(fault.Internal, "encode the comparison of a drill", err)
	}
	c.Format, c.Instance = drill.Format, d.report.A.Instance
	c.Backup = drill.Backup{ID: origin.BackupID, Path: d.report.A.Path, Manifest: d.report.A.Digest, StartedAt: d.report.A.StartedAt, Verified: d.report.A.Verified}
	c.Target = drill.Target{Name: d.target.Fingerprint.Name, FQDN: d.target.Fingerprint.FQDN, DeploymentID: d.target.Fingerprint.DeploymentID, ItemsBefore: int64(len(d.before))}
	if d.request.Site != nil {
		c.Mapping = d.planned.Header.Mapping
	}
	c.Key = d.backup.Key.Public()
	c.Report = restore.Digest(whole)
	c.StartedAt, c.EndedAt = d.began.UTC().Truncate(time.Second), time.Now().UTC().Truncate(time.Second)
	c.Product = "infrabackup " + build.Version()
	c.Kept, c.By, c.DoesNotProve = d.request.Keep, operator.Requester(), drill.Limits()
	c.Judge(drill.Evidence{Plan: d.planned, Totals: d.totals, Before: d.before, Report: d.report, Drilled: d.request.Services})
	return nil
}

// Sign gives the line of a certificate and the signature beside it.
func Sign(c *drill.Certificate, key *seal.SigningKey) (line, signature []byte, err error) {
	if line, err = c.Encode(); err != nil {
		return nil, nil, err
	}
	signature, err = key.SignDrill(line)
	return line, signature, err
}

// Verify reads a certificate that a key of the list signed, and returns by which. Errors are
// CERTIFICATE_FORGED and CERTIFICATE_INVALID.
func Verify(line, signature, signers []byte) (*drill.Certificate, string, error) {
	signer, err := seal.VerifyDrill(line, signature, signers)
	if err != nil {
		return nil, "", err
	}
	c, err := drill.Decode(line)
	return c, signer, err
}
