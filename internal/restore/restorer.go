package restore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"infrabackup/internal/backup"
	"infrabackup/internal/restore/mapping"
)

// Restorer brings the items of one service back. A conformance suite, restoretest, holds
// every implementation to what is said here.
//
// Want, Verdict and Inverse are pure: the same input gives the same output, and they
// neither read the target nor the clock. The others talk to the target. A restorer may be
// used by [Restorer.Lanes] goroutines at a time.
type Restorer interface {
	// Service says whose items it brings back.
	Service() backup.Service

	// Lanes is how many steps of one level may be done at a time, 1 where parallel
	// writes do harm.
	Lanes() int

	// Group names the group that an entry of the catalog belongs to. The items of a group
	// are given to Wants together. Most items are groups of their own, named by their ID.
	Group(entry backup.CatalogEntry) string

	// Wants says what the target should hold for a group of items, in the target's own
	// names. Items that cannot come back, and what of an item cannot, are losses. Wants
	// of a group have different keys. Errors are BACKUP_DAMAGED for documents that are
	// not what a collector wrote.
	Wants(items []Item, m *mapping.Map) ([]Want, []Loss, error)

	// Live reads what the target holds where the want goes. What is not there is no
	// error: State's zero value says so. State.Digest covers everything that would make
	// a plan stale, and nothing that changes by itself. Errors are faults with TARGET_…
	// codes.
	Live(ctx context.Context, want Want, m *mapping.Map) (State, error)

	// Verdict compares what is wanted with what is live. The same rule decides whether a
	// step is needed and whether a write came about: what was written and confirmed gives
	// Same. Want.Absent asks for nothing to be there.
	Verdict(want Want, live State, m *mapping.Map) Verdict

	// Write makes the target hold what is wanted. Live is what the caller read a moment
	// ago and compared with the plan: a target that can refuse a write because its state
	// moved since is asked to (ETag, compare and set). Write returns when the target says
	// that the change is complete. It deletes only when want.Absent. A write that is
	// repeated after a crash finds by Live what the first one did.
	Write(ctx context.Context, want Want, verdict Verdict, live State, m *mapping.Map) error

	// Inverse is what takes a write back: the want that puts before in the place of
	// after. Before and after are states around the write. The reversibility says how much
	// of it comes back, with the reason where it is not all.
	Inverse(want Want, before, after State) (Want, Reversibility)

	// Check looks, without writing, at what would stop steps: rights, locks, names that
	// are taken, versions, space. It is asked for every step of a plan that would write,
	// some hundred at a time, and may keep what it read for the next ones.
	Check(ctx context.Context, steps []Checked, m *mapping.Map) ([]Refusal, error)
}

// Prober is a [Restorer] of which some items cannot be brought back at all, and others need
// these.
type Prober interface {
	// Lacks reports whether the target has nothing of a group that Wants wants nothing of,
	// and will not make it by itself either. Errors are faults with TARGET_… codes and
	// BACKUP_DAMAGED.
	Lacks(ctx context.Context, items []Item, m *mapping.Map) (bool, error)
}

// Resumer is a [Restorer] of which a write can take several requests.
type Resumer interface {
	// Begun reports whether live is what a write of the want leaves behind that found before
	// and was ended between two requests, and nothing else. Such a write goes on. It is pure.
	Begun(want Want, before, live State) bool
}

// Renamer is a [Restorer] that gives what it writes the names of a target that has others than
// the source ([mapping.Map.Names]). What others bring back keeps the names of the source.
type Renamer interface {
	// Sent is what Write would send of a want, in JSON and with the identities that m has
	// learned. It is looked through for names of the source, as documents of states are. It
	// is pure. Errors are faults.
	Sent(want Want, m *mapping.Map) ([]byte, error)
}

// Namer is a [Restorer] whose items need each other by names that the catalog does not have
// as aliases.
type Namer interface {
	// Names is told every entry of a catalog before anything else is asked about it, and
	// returns the further names of the item. Those of different items may be the same.
	Names(entry backup.CatalogEntry) []string
}

// Key names a want in a plan: what of which item of which service.
type Key struct {
	Service backup.Service `json:"service"`
	Kind    string         `json:"kind"`
	// ID is the item's, in the target's names.
	ID string `json:"id"`
	// Phase tells several wants of one item apart, such as an object and its links; empty
	// for the object itself, which the other phases come after.
	Phase string `json:"phase,omitempty"`
}

// String is the key for messages.
func (k Key) String() string {
	s := string(k.Service) + " " + k.Kind + " " + k.ID
	if k.Phase != "" {
		s += " (" + k.Phase + ")"
	}
	return s
}

// Item is one item of a backup with its bytes.
type Item struct {
	backup.CatalogEntry
	// Read gives the item's bytes. They are compared with the catalog's digest.
	Read func(ctx context.Context) ([]byte, error)
}

// Want is what the target should hold of an item.
type Want struct {
	Key
	// Name is what an operator calls it.
	Name string
	// Stage is the coarse order: lower stages come first, over all services.
	Stage Stage
	// Body is what should be there, in a canonical form that is the restorer's own: equal
	// wants have equal bytes. Principals that are created are in the source's names.
	Body []byte
	// Payload is what Body names and does not hold, such as the values of secrets: digests of
	// a plan are shown, and a short value could be guessed from one that covers it. What Body
	// says settles which payload it is, together with the items that the want is made of.
	Payload Payload
	// Absent says that nothing should be there. Only undo wants that.
	Absent bool
	// Within is the key of a want whose write brings this one along, such as a network's
	// for its subnet. It is confirmed after that, and written by itself only when the plan
	// does not write the other one. Zero for none.
	Within Key
	// Needs are what has to be there first.
	Needs []Need
	// Supplies are properties that no backup holds and that somebody has to supply, by
	// name, such as adminPassword.
	Supplies []string
	// Fields are the names of what Body sets, for people.
	Fields []string
}

// Payload is content that must not be shown. It prints as its size.
type Payload []byte

// Format implements [fmt.Formatter].
func (p Payload) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "[%d bytes]", len(p)) }

// Digest is the digest of what is wanted. The payload is not in it.
func (w Want) Digest() string {
	if w.Absent {
		return AbsentDigest
	}
	return Digest(w.Body)
}

// Need is something that has to be in the target before a want is written.
type Need struct {
	Service backup.Service
	// Target is an ID or an alias of an item, as the catalog has them, in lower case.
	Target string
	// Relation says what the target is to the item.
	Relation string
	// Soft needs do not decide the order, and the want is written without them.
	Soft bool
}

// Loss is something of an item that cannot come back.
type Loss struct {
	Key    Key    `json:"key"`
	Code   string `json:"code"`
	Detail string `json:"detail"` // what is lost, and who can supply it
}

// AbsentDigest is the digest of a state in which nothing is there.
const AbsentDigest = "absent"

// Digest is the digest of a canonical form.
func Digest(canonical []byte) string {
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:])
}

// State is what a target holds in one place.
type State struct {
	// Exists says that something is there.
	Exists bool
	// Deleted says that it was deleted and can be brought back: a tombstone, or a soft
	// deleted secret. Exists is false then.
	Deleted bool
	// Document is what the target gave, whole enough to put it back; nil when nothing is
	// there. It may hold secrets.
	Document []byte
	// Tag is what the target calls this state, such as an ETag; empty when it has none.
	Tag string
	// Digest is of the state's canonical form, [AbsentDigest] when nothing is there.
	Digest string
	// Learned are identities that the target gave to what is there, and that later wants
	// refer to.
	Learned []mapping.Pair
}

// Action is what a step does.
type Action string

// The actions.
const (
	Skip     Action = "skip"     // the target has it, or it stays as it is by policy
	Create   Action = "create"   // it is not there
	Update   Action = "update"   // it is there and differs
	Undelete Action = "undelete" // it was deleted and is brought back with its identity
	Remove   Action = "remove"   // undo takes away what was created
	Along    Action = "along"    // another step brings it along
)

// Verdict is the outcome of comparing.
type Verdict struct {
	// Same says that the target holds what is wanted.
	Same bool
	// Action is what makes it so, one of Create, Update, Undelete and Remove.
	Action Action
	// Fields are the names of what differs, sorted, for an update.
	Fields []string
	// Refused is set when the restorer must not touch it; Action does not count then.
	Refused *Refusal
	// Reversible says what undo would bring back, with Why where it is not all.
	Reversible Reversibility
	// Unchecked says that [Restorer.Check] does not look at what is live: a plan then does not hold
	// it, which can be as large as a file.
	Unchecked bool
}

// Reversibility says how much of a write undo can take back.
type Reversibility struct {
	Grade Grade  `json:"grade"`
	Why   string `json:"why,omitempty"` // what stays, where it is not everything
}

// Grade is how much.
type Grade string

// The grades.
const (
	Reversible       Grade = "yes"
	PartlyReversible Grade = "partly"
	Irreversible     Grade = "no"
)

// Refusal is why a step is not done.
type Refusal struct {
	Key    Key    `json:"key"`
	Code   string `json:"code"`   // stable, such as NAME_TAKEN
	Detail string `json:"detail"` // what is in the way, and what to do
}

// Checked is a step that [Restorer.Check] looks at.
type Checked struct {
	Want   Want
	Live   State
	Action Action
}

// Stage is the coarse order of a restore. Within a stage needs decide.
type Stage int

// The stages, in their order. A service uses those that it has.
const (
	StageDirectoryPlaces  Stage = 10  // naming contexts, OUs and containers
	StageDirectoryObjects Stage = 20  // users, computers, groups without links
	StageDirectoryLinks   Stage = 30  // members and other links
	StageDirectoryRights  Stage = 40  // security descriptors, primary groups
	StageDirectoryPolicy  Stage = 50  // group policies and their links
	StageDirectoryEnable  Stage = 60  // accounts get their state back
	StageCA               Stage = 70  // the certificate authority
	StageOperator         Stage = 80  // quotas, plans, offers, subscriptions
	StageGroups           Stage = 90  // resource groups and what they need
	StageAccess           Stage = 100 // role definitions, assignments at scopes that are there
	StageVaults           Stage = 110 // vaults
	StageVaultContents    Stage = 120 // what they hold
	StageResources        Stage = 130 // everything else of tenants, by needs
	StageResourceLinks    Stage = 140 // peerings, connections, assignments at resources
	StagePolicies         Stage = 150 // policies and links between resources
	StageLocks            Stage = 160 // locks, which would be in the way of all others
)
