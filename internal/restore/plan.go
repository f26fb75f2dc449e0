package restore

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore/mapping"
)

// PlanFormat is the version of the plan's file that this code writes.
const PlanFormat = 1

// MaxSteps is how many steps a plan can have.
const MaxSteps = 4_000_000

// Kind says what a plan is made of.
type Kind string

// The kinds.
const (
	OfBackup Kind = "restore" // of a backup
	OfUndo   Kind = "undo"    // of the journal of a restore
)

// Policy says what becomes of items that the target has and that differ.
type Policy string

// The policies.
const (
	PolicyUpdate Policy = "update" // they become as they were
	PolicySkip   Policy = "skip"   // they stay as they are
	PolicyFail   Policy = "fail"   // they are refused
)

// ParsePolicy reads a policy as an operator writes it.
func ParsePolicy(text string) (Policy, error) {
	switch p := Policy(text); p {
	case PolicyUpdate, PolicySkip, PolicyFail:
		return p, nil
	}
	return "", fault.Usagef("%q is no policy: update, skip and fail are", text)
}

// Fingerprint tells targets apart. Fields are empty where a target has nothing of the kind.
type Fingerprint struct {
	Name         string `json:"name"` // what the operator calls it; no part of its identity
	FQDN         string `json:"fqdn,omitempty"`
	DeploymentID string `json:"deploymentId,omitempty"`
	DomainSID    string `json:"domainSid,omitempty"`
	CA           string `json:"ca,omitempty"` // SHA-256 of the CA's own certificate
}

// Is reports whether the target is the one that was planned for. What it did not have then,
// such as a CA, it may have got since.
func (f Fingerprint) Is(planned Fingerprint) bool {
	for _, pair := range [][2]string{{f.FQDN, planned.FQDN}, {f.DeploymentID, planned.DeploymentID}, {f.DomainSID, planned.DomainSID}, {f.CA, planned.CA}} {
		if pair[1] != "" && pair[0] != pair[1] {
			return false
		}
	}
	return true
}

// MayBe reports whether the target can be the cloud that other was taken of: something of
// both is the same, or nothing of them can be compared. A domain name that is another one
// tells nothing.
func (f Fingerprint) MayBe(other Fingerprint) bool {
	if f.FQDN != "" && f.FQDN == other.FQDN {
		return true
	}
	compared := false
	for _, pair := range [][2]string{{f.DeploymentID, other.DeploymentID}, {f.DomainSID, other.DomainSID}, {f.CA, other.CA}} {
		if pair[0] == "" || pair[1] == "" {
			continue
		}
		if pair[0] == pair[1] {
			return true
		}
		compared = true
	}
	return !compared
}

// Origin is the backup that a plan is made of.
type Origin struct {
	BackupID backup.ID   `json:"backupId"`
	Manifest string      `json:"manifestSha256"` // digest of its manifest, which its signature covers
	Cloud    Fingerprint `json:"cloud"`          // as far as the backup tells
}

// Header is what a plan says of itself.
type Header struct {
	Format     int                       `json:"format"`
	PlanID     string                    `json:"planId"` // SHA-256 of the plan without this
	Kind       Kind                      `json:"kind"`
	CreatedAt  time.Time                 `json:"createdAt"`
	Expires    time.Time                 `json:"expires"`
	Product    string                    `json:"product"`
	Origin     Origin                    `json:"origin"`
	Undoes     string                    `json:"undoes,omitempty"` // ID of the plan that an undo takes back
	Target     Fingerprint               `json:"target"`
	Production bool                      `json:"production"` // the target may be the cloud that was backed up
	Selection  Selection                 `json:"selection"`
	Policies   map[backup.Service]Policy `json:"policies"`
	Mapping    string                    `json:"mapping"` // SHA-256 of the names and pairs that were given
	// Site has the names of the target where they are others than the source's.
	Site   *mapping.Site `json:"site,omitempty"`
	Counts Counts        `json:"counts"`
}

// Counts sum a plan up.
type Counts struct {
	Steps        int `json:"steps"`
	Create       int `json:"create"`
	Update       int `json:"update"`
	Undelete     int `json:"undelete"`
	Remove       int `json:"remove"`
	Along        int `json:"along"`
	Skip         int `json:"skip"`
	Irreversible int `json:"irreversible"`
	Partly       int `json:"partlyReversible"`
	Refused      int `json:"refused"`
	Lost         int `json:"lost"`
	Supplied     int `json:"toBeSupplied"`
}

// Reason says why a step does what it does.
type Reason string

// The reasons.
const (
	ReasonMissing  Reason = "missing"  // the target does not have it
	ReasonDiffers  Reason = "differs"  // the target has another state of it
	ReasonDeleted  Reason = "deleted"  // it was deleted and can be brought back
	ReasonSame     Reason = "same"     // the target has it
	ReasonPolicy   Reason = "policy"   // it differs and stays by policy
	ReasonWithin   Reason = "within"   // another step brings it along
	ReasonWasMade  Reason = "made"     // the restore made it
	ReasonWasOther Reason = "replaced" // the restore changed it
)

// Selected and the like say why a step is in the plan.
const (
	Selected = "selection" // it was asked for
	Needed   = "need"      // what was asked for needs it
)

// Step is one write of a plan, or the reason why there is none.
type Step struct {
	N int `json:"n"` // from 0, in the order in which steps are done
	Key
	Name   string `json:"name"`
	Stage  Stage  `json:"stage"`
	Level  int    `json:"level"` // within the stage: steps of one level need nothing of each other
	Group  string `json:"group"`
	Action Action `json:"action"`
	Reason Reason `json:"reason"`
	// Backup is a keyed digest of the items that the step is made of.
	Backup string `json:"backup,omitempty"`
	// Live is the digest of the target's state when the plan was made.
	Live string `json:"live"`
	// Desired is the digest of what is wanted.
	Desired string `json:"desired"`
	// Fields are the names of what is set or changed. Values are in no plan.
	Fields []string `json:"fields,omitempty"`
	// Needs are the steps that have to be confirmed first.
	Needs []int `json:"needs,omitempty"`
	// Within is the step that brings this one along, -1 for none.
	Within int `json:"within"`
	// Unmet are needs that neither the plan nor the backup has: they are taken to be in
	// the target.
	Unmet []string `json:"unmet,omitempty"`
	// AddedBy is Selected, or Needed with NeededBy.
	AddedBy    string        `json:"addedBy"`
	NeededBy   string        `json:"neededBy,omitempty"`
	Reversible Reversibility `json:"reversible"`
	Supplies   []string      `json:"supplies,omitempty"`
}

// Writes reports whether the step changes the target by itself.
func (s Step) Writes() bool { return s.Action != Skip && s.Action != Along }

// Plan is what a restore would do.
type Plan struct {
	Header   Header
	Steps    []Step
	Refusals []Refusal
	Losses   []Loss
	// Pairs are identities that were learned of what the target has and the plan leaves out.
	Pairs []mapping.Pair
}

// count fills the header's counts.
func (p *Plan) count() {
	c := Counts{Steps: len(p.Steps), Refused: len(p.Refusals), Lost: len(p.Losses)}
	for _, s := range p.Steps {
		switch s.Action {
		case Create:
			c.Create++
		case Update:
			c.Update++
		case Undelete:
			c.Undelete++
		case Remove:
			c.Remove++
		case Along:
			c.Along++
		case Skip:
			c.Skip++
		}
		if s.Writes() {
			switch s.Reversible.Grade {
			case Irreversible:
				c.Irreversible++
			case PartlyReversible:
				c.Partly++
			}
		}
		c.Supplied += len(s.Supplies)
	}
	p.Header.Counts = c
}

// Listed is one restore in a list: what its plan says of it, as far as a key is there that opens
// the plan, and how far it is.
type Listed struct {
	PlanID   string    `json:"planId"`
	Kind     Kind      `json:"kind,omitempty"`
	BackupID backup.ID `json:"backupId,omitempty"`
	Target   string    `json:"target,omitempty"`
	// State is planned, unfinished, ended, open elsewhere, not planned, damaged, or for another key.
	State string `json:"state"`
}

// Batch is a run of steps that are done together: of one service, stage and level.
type Batch struct {
	Number   int
	From, To int // steps From to To-1
}

// MaxBatch is how many steps a batch has at most.
const MaxBatch = 500

// Batches cuts the plan. The same plan is always cut the same way.
func (p *Plan) Batches() []Batch {
	var batches []Batch
	for from := 0; from < len(p.Steps); {
		to := from + 1
		for to < len(p.Steps) && to-from < MaxBatch && together(p.Steps[from], p.Steps[to]) {
			to++
		}
		batches = append(batches, Batch{Number: len(batches), From: from, To: to})
		from = to
	}
	return batches
}

func together(a, b Step) bool {
	return a.Stage == b.Stage && a.Level == b.Level && a.Service == b.Service
}

// sortSteps puts steps into the order in which they are done and numbers them again. Needs
// and Within are moved with them.
func (p *Plan) sortSteps() {
	old := make([]int, len(p.Steps))
	for i := range old {
		old[i] = i
	}
	slices.SortStableFunc(old, func(i, j int) int { return compareSteps(p.Steps[i], p.Steps[j]) })
	moved := make([]int, len(old))
	for n, i := range old {
		moved[i] = n
	}
	sorted := make([]Step, len(old))
	for n, i := range old {
		s := p.Steps[i]
		s.N = n
		needs := map[int]bool{}
		for _, need := range s.Needs {
			needs[moved[need]] = true
		}
		s.Needs = slices.Sorted(maps.Keys(needs))
		if s.Within >= 0 {
			s.Within = moved[s.Within]
		}
		sorted[n] = s
	}
	p.Steps = sorted
}

func compareSteps(a, b Step) int {
	return cmp.Or(cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Level, b.Level), cmp.Compare(a.Service, b.Service),
		cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Phase, b.Phase))
}
