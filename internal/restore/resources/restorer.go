package resources

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/writer"
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
)

// Options are for all services of one target.
type Options struct {
	// Stamp is the target, with the restore's own credential.
	Stamp *azure.Stamp
	// Writing bounds the waiting for changes.
	Writing writer.Options
	// Own are the IDs, as role assignments and access policies have them, of accounts that
	// are left alone: those of this service and of the restore. The stamp's client ID is
	// one of them.
	Own []string
	// EmptyDisks makes disks that are gone without contents, and snapshots and images of
	// them: for drills.
	EmptyDisks bool
	// PrincipalPatience is how long a principal may be unknown to the target after it was
	// made there; five minutes when zero.
	PrincipalPatience time.Duration
}

const (
	defaultPrincipalPatience = 5 * time.Minute
	principalPoll            = 10 * time.Second
	lanes                    = 8
)

// Services are those that there is a restorer for, in the order of a capture.
var Services = []backup.Service{backup.ARM, backup.CRP, backup.SRP, backup.NRP, backup.KeyVault, backup.RBAC}

// Restorer brings the items of one service back. It implements [restore.Restorer].
type Restorer struct {
	service  backup.Service
	options  Options
	clients  map[azure.Endpoint]*azure.Client
	writers  map[azure.Endpoint]*writer.Resources
	sleep    func(context.Context, time.Duration) error
	patience time.Duration
}

// New makes the restorer of one of [Services].
func New(service backup.Service, o Options) *Restorer {
	r := &Restorer{service: service, options: o, clients: map[azure.Endpoint]*azure.Client{}, writers: map[azure.Endpoint]*writer.Resources{}, sleep: o.Writing.Sleep, patience: o.PrincipalPatience}
	if o.Stamp != nil { // without, nothing is asked
		for _, c := range []*azure.Client{o.Stamp.Tenant(), o.Stamp.Admin()} {
			r.clients[c.Endpoint()], r.writers[c.Endpoint()] = c, writer.New(c, o.Writing)
		}
		r.options.Own = append(slices.Clone(o.Own), o.Stamp.ClientID())
	}
	if r.sleep == nil {
		r.sleep = writer.Sleep
	}
	if r.patience == 0 {
		r.patience = defaultPrincipalPatience
	}
	return r
}

// All makes the restorers of all [Services].
func All(o Options) []restore.Restorer {
	var all []restore.Restorer
	for _, service := range Services {
		all = append(all, New(service, o))
	}
	return all
}

// Service implements [restore.Restorer].
func (r *Restorer) Service() backup.Service { return r.service }

// Lanes implements [restore.Restorer].
func (r *Restorer) Lanes() int { return lanes }

// Group implements [restore.Restorer]. Items that are one thing of the target belong
// together: the two documents of a subscription, a role that several subscriptions list,
// assignments of one role to one principal at one scope, and a connection with its key.
func (r *Restorer) Group(e backup.CatalogEntry) string {
	switch e.Kind {
	case "subscription", "user-subscription":
		return "subscription " + last(e.ID)
	case "role-definition":
		if len(e.Aliases) > 0 {
			return e.Aliases[0]
		}
	case "role-assignment":
		if triple := tripleOf(e); triple != "" {
			return triple
		}
	case "connection-shared-key":
		return strings.TrimSuffix(e.ID, "/sharedkey")
	}
	return e.ID
}

// tripleOf is what an assignment says, by the references that the catalog has of it; "" when
// it does not have all.
func tripleOf(e backup.CatalogEntry) string {
	parts := map[string]string{}
	for _, ref := range e.References {
		parts[ref.Relation] = ref.Target
	}
	if parts["principal"] == "" || parts["role-definition"] == "" || parts["scope"] == "" {
		return ""
	}
	return "assignment " + parts["scope"] + " " + parts["role-definition"] + " " + parts["principal"]
}

// isOwn reports whether an account is one to leave alone.
func (r *Restorer) isOwn(id string) bool {
	return id != "" && slices.ContainsFunc(r.options.Own, func(own string) bool { return strings.EqualFold(own, id) })
}

// client reads from an endpoint.
func (r *Restorer) client(e azure.Endpoint) (*azure.Client, error) {
	if c := r.clients[e]; c != nil {
		return c, nil
	}
	return nil, fault.Newf(fault.TargetNotConfigured, "the target has no endpoint %q", e)
}

// isAbsent reports whether an error of a GET means that nothing is there.
func isAbsent(err error) bool {
	return errors.Is(err, azure.ErrNotFound) || errors.Is(err, azure.ErrNotRegistered)
}
