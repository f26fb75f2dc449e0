package auth

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"infrabackup/internal/printable"
)

// How a caller was recognized.
const (
	MethodOIDC        = "oidc"
	MethodToken       = "token"
	MethodCertificate = "certificate"
	MethodSession     = "session"
)

// subjectForwarded begins the subject of a caller that Azure Resource Manager names.
const subjectForwarded = "arm:"

// Bounds of what is kept of names from outside, in bytes.
const (
	maxSubject = 256
	maxName    = 128
)

// Principal is a caller that was recognized. The zero value is nobody, and may do nothing.
type Principal struct {
	// Subject names the caller for good: issuer|subject, token:ID or certificate:NAME. It
	// is bounded and printable, and goes as the requester into workflows and audit lines.
	Subject string
	// Name is what people call the caller. It decides nothing.
	Name string
	Role Role
	// Method is how the caller was recognized, one of the Method constants.
	Method string
}

// newPrincipal bounds the names of a principal.
func newPrincipal(subject, name string, role Role, method string) Principal {
	subject = printable.Clip(printable.Text(subject), maxSubject)
	name = printable.Clip(printable.Text(name), maxName)
	if name == "" {
		name = subject
	}
	return Principal{Subject: subject, Name: name, Role: role, Method: method}
}

// IsZero reports whether the principal is nobody.
func (p Principal) IsZero() bool { return p.Subject == "" }

// May returns nil when the principal's role allows the action, and else a [Refusal] with
// 403, or with 401 when there is no principal at all.
func (p Principal) May(a Action) error {
	switch {
	case p.IsZero():
		return &Refusal{Status: http.StatusUnauthorized, Code: CodeAuthenticationFailed,
			Message: "The request carries no credential.", Remedy: remedyCredential}
	case p.Role.Allows(a):
		return nil
	}
	role := string(p.Role)
	if role == "" {
		role = "none"
	}
	return &Refusal{Status: http.StatusForbidden, Code: CodeAuthorizationFailed,
		Message: fmt.Sprintf("The client '%s' (%s, role: %s) does not have authorization to perform action '%s'.", p.Name, p.Subject, role, a),
		Remedy:  "Ask an owner of the instance for a role that allows this action."}
}

// ViaResourceManager reports whether Azure Resource Manager has forwarded the request.
func (p Principal) ViaResourceManager() bool {
	return p.Method == MethodCertificate && strings.HasPrefix(p.Subject, subjectForwarded)
}

type contextKey int

const (
	principalKey contextKey = iota
	sessionKey
	recordKey
)

// WithPrincipal returns a context that carries the principal.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	if r := recordOf(ctx); r != nil {
		r.note(func(n *Noted) { n.Principal = p })
	}
	return context.WithValue(ctx, principalKey, p)
}

// PrincipalOf returns the principal of a request's context, the zero value when there is
// none.
func PrincipalOf(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey).(Principal)
	return p
}

// Authorize is [Principal.May] for the principal of a request's context. It also tells the
// audit which action the request is about.
func Authorize(ctx context.Context, a Action) error {
	if r := recordOf(ctx); r != nil {
		r.note(func(n *Noted) { n.Action = a })
	}
	return PrincipalOf(ctx).May(a)
}

// Noted is what was learnt about a request while it was served, for the audit.
type Noted struct {
	Principal Principal
	Action    Action // empty when no action was asked about
	Object    string // the id of what was made, or changed, where the address does not say it
	Failure   error  // why the caller was not recognized, or a login was refused
	Login     bool   // a session has begun
}

// NoteObject tells the audit what was made, or changed, by its id.
func NoteObject(ctx context.Context, id string) {
	if r := recordOf(ctx); r != nil {
		r.note(func(n *Noted) { n.Object = id })
	}
}

// NoteFailure tells the audit why a caller was not recognized.
func NoteFailure(ctx context.Context, err error) {
	if r := recordOf(ctx); r != nil {
		r.note(func(n *Noted) { n.Failure = err })
	}
}

// Record collects what is learnt about one request.
type Record struct {
	mu    sync.Mutex
	noted Noted
}

// WithRecord returns a context whose request is noted in the record that is returned too.
func WithRecord(ctx context.Context) (context.Context, *Record) {
	r := &Record{}
	return context.WithValue(ctx, recordKey, r), r
}

func recordOf(ctx context.Context) *Record {
	r, _ := ctx.Value(recordKey).(*Record)
	return r
}

func (r *Record) note(change func(*Noted)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.noted)
}

// Noted returns what is known so far.
func (r *Record) Noted() Noted {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.noted
}
