package rp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/control"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/flow"
	"infrabackup/internal/privsep"
	"infrabackup/internal/rp/address"
	"infrabackup/internal/rp/compared"
	"infrabackup/internal/rp/drilled"
	"infrabackup/internal/rp/restoreplans"
	"infrabackup/internal/secret"
)

// Board is what is known of an instance.
type Board interface {
	// Snapshot is the newest; it is never nil and never changed.
	Snapshot() *board.Snapshot
	// Apply makes the next snapshot of a copy of the newest one, so that a write is seen by
	// the reads that follow it. The function must not change what slices and pointers of the
	// copy lead to.
	Apply(change func(*board.Snapshot))
	// Looked says that the snapshot was looked at, so that it is refreshed more often.
	Looked()
}

// Control is what can be done to an instance. The Begin methods return as soon as the
// operation is known to Temporal.
type Control interface {
	drilled.Drills
	BeginBackup(ctx context.Context, by string) (control.Begun, error)
	BeginChange(ctx context.Context, wanted control.Wanted) (control.Begun, error)
	BeginPrune(ctx context.Context, dryRun, acrossHole bool, by string) (control.Begun, error)
	BeginVerify(ctx context.Context, id backup.ID, by string) (control.Begun, error)
	// Operation tells how far an operation is. A fault of itself is in it; the error says
	// that it could not be found out, or that there is none, see [operations.Unknown].
	Operation(ctx context.Context, id string) (operation.Operation, error)
	Cancel(ctx context.Context) error
	// Restoring tells how far the restore is that runs, and StopRestore asks it to stop after the
	// steps that it is at; an error that [operations.Unknown] knows says that none runs.
	Restoring(ctx context.Context) (flow.RestoreAt, error)
	StopRestore(ctx context.Context) (flow.RestoreAt, error)
	Challenges(ctx context.Context, by string) ([]control.Challenge, error)
	Prove(ctx context.Context, answer secret.String, by string) (flow.KeyState, error)
	// Acknowledge notes who knows of an alert, and has the board show who counts as the one: who was
	// first stays, unless another is to be replaced.
	Acknowledge(ctx context.Context, one flow.AlertAcknowledgement) error
}

// Restorer writes backups back.
type Restorer interface {
	// BeginRestore begins to restore the services of a backup that are named, all or none, with an
	// operator's private key, which it does not keep.
	BeginRestore(ctx context.Context, id backup.ID, services []backup.Service, key privsep.OperatorKey, by string) (control.Begun, error)
}

// Instance is one location of the API.
type Instance struct {
	Board   Board
	Control Control
	Restore Restorer // nil where nothing says what to restore into
	Plans   restoreplans.Plans
	Diffs   compared.Diffs
	// Group is its resource group; empty for System.LOCATION, as on Azure Stack.
	Group string
}

// Caller is whoever sent a request, once recognized.
type Caller interface {
	// May returns nil when the caller may perform the action, and else why not, as an
	// [apierror.Error].
	May(action string) error
	// Subject names the caller in workflows.
	Subject() string
	// Covers reports whether there is a role of this name, and whether the caller may do
	// everything that it may.
	Covers(role string) (known, covered bool)
	// NoteObject tells the audit what a request has made, or changed, by its id.
	NoteObject(id string)
}

// Metadata are the endpoints that clients ask for before their first request.
type Metadata struct {
	Gallery, Graph, Portal, Login string
	Audiences                     []string
	TenantID                      string
}

// Options are what the API is made of.
type Options struct {
	// BaseURL is the address that callers use, such as https://backup.example.com:8443. Every
	// Location begins with it, and with nothing that a request says.
	BaseURL        string
	SubscriptionID string
	Instances      map[string]Instance // by name of the location
	// Caller says who sent a request; its error is an [apierror.Error].
	Caller   func(*http.Request) (Caller, error)
	Tokens   Tokens
	Metadata Metadata
	Now      func() time.Time // time.Now when nil
	Logger   *slog.Logger     // slog.Default when nil
}

// Handler is the API.
type Handler struct {
	options   Options
	base      string
	locations map[string]*location // by name in lower case
	routes    []*route
	results   *results
}

// location is an instance with its names.
type location struct {
	Instance
	name string
}

// New checks the options and makes the API.
func New(options Options) (*Handler, error) {
	base, err := address.Base(options.BaseURL)
	if err != nil {
		return nil, err
	}
	if !address.IsGUID(options.SubscriptionID) {
		return nil, fmt.Errorf("the subscription id %q is no GUID", options.SubscriptionID)
	}
	if options.Caller == nil || options.Tokens == nil {
		return nil, errors.New("nothing says who callers are, or holds their tokens")
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	h := &Handler{options: options, base: base, locations: map[string]*location{}, routes: routes(), results: newResults(options.Now)}
	for name, instance := range options.Instances {
		key := strings.ToLower(name)
		switch {
		case !address.IsLocationName(name):
			return nil, fmt.Errorf("%q cannot name a location: use letters, digits, '-' and '_'", name)
		case h.locations[key] != nil:
			return nil, fmt.Errorf("two locations are named %s", key)
		case instance.Board == nil || instance.Control == nil || instance.Plans == nil || instance.Diffs == nil:
			return nil, fmt.Errorf("location %s has no board, no control, no plans or no diffs", name)
		}
		if instance.Group == "" {
			instance.Group = "System." + name
		}
		h.locations[key] = &location{Instance: instance, name: name}
	}
	return h, nil
}
