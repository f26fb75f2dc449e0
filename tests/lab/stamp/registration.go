package stamp

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// The registration states that a provider has in a subscription.
const (
	registered    = "Registered"
	registering   = "Registering"
	notRegistered = "NotRegistered"
)

// always are the providers that need no registration.
var always = []string{"microsoft.resources", "microsoft.authorization"}

// registrations are the states of providers in subscriptions that the stamp has made
// itself: those that it started with have all providers registered.
type registrations struct {
	mu     sync.Mutex
	states map[string]map[string]string // by subscription and namespace, in lower case
}

// fresh notes a new subscription, whose providers are not registered.
func (r *registrations) fresh(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.states == nil {
		r.states = map[string]map[string]string{}
	}
	r.states[strings.ToLower(strings.TrimPrefix(id, "/subscriptions/"))] = map[string]string{}
}

// state looks at a provider. What was being registered is so at the next look.
func (r *registrations) state(sub, namespace string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	states, namespace := r.states[strings.ToLower(sub)], strings.ToLower(namespace)
	if states == nil || slices.Contains(always, namespace) {
		return registered
	}
	now := states[namespace]
	if now == registering {
		states[namespace] = registered
	}
	if now == "" {
		return notRegistered
	}
	return now
}

func (r *registrations) set(sub, namespace, state string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	states := r.states[strings.ToLower(sub)]
	if states == nil { // one of the stamp's beginning
		return
	}
	states[strings.ToLower(namespace)] = state
}

// register answers POST …/providers/<namespace>/register and unregister; nil for
// everything else.
func (s *Stamp) register(q *request) *answer {
	namespace, verb, _ := strings.Cut(q.place.typ, "/")
	if q.Method != http.MethodPost || q.place.sub == "" || q.place.group != "" || verb != "register" && verb != "unregister" {
		return nil
	}
	if !slices.ContainsFunc(s.types.offered(q.endpoint), func(r *row) bool {
		return strings.EqualFold(strings.SplitN(r.name, "/", 2)[0], namespace)
	}) {
		return fail(http.StatusNotFound, "InvalidResourceNamespace", "The resource namespace '"+namespace+"' is invalid.")
	}
	at, answered := registering, registering
	if verb == "unregister" {
		at, answered = notRegistered, "Unregistering"
	}
	if s.registrations.state(q.place.sub, namespace) == registered && verb == "register" {
		at, answered = registered, registered
	}
	s.registrations.set(q.place.sub, namespace, at)
	for _, p := range s.namespaces(q) {
		if strings.EqualFold(p.Namespace, namespace) {
			p.RegistrationState = answered
			return object(http.StatusOK, p)
		}
	}
	return notFound(q.place, q.row)
}
