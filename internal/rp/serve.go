package rp

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"infrabackup/internal/apierror"
	"infrabackup/internal/board"
	"infrabackup/internal/fault"
	"infrabackup/internal/rp/address"
	"infrabackup/internal/rp/wire"
)

// jsonPlain is the media type of results of operations: without a charset, as on the wire of
// Azure Stack.
const jsonPlain = "application/json"

// exchange is one request and its answer.
type exchange struct {
	h       *Handler
	w       http.ResponseWriter
	r       *http.Request
	route   *route
	op      *method
	params  address.Params
	caller  Caller
	version *version
	loc     *location
	snap    *board.Snapshot
}

// by names the caller in workflows.
func (x *exchange) by() string { return x.caller.Subject() }

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{h: h, w: w, r: r}
	err := x.serve()
	if err == nil {
		return
	}
	var f *apierror.Error
	if !errors.As(err, &f) {
		f = apierror.AtRequest(err)
	}
	if f.Status >= http.StatusInternalServerError {
		h.options.Logger.WarnContext(r.Context(), "a request failed", "requestId", w.Header().Get(requestID), "operation", x.name(), "err", err, "cause", f.Cause)
	}
	f.Write(w)
}

// name is that of the operation, empty before it is known. The listener logs the address, without
// what may be secret in it.
func (x *exchange) name() string {
	if x.op == nil {
		return ""
	}
	return x.op.name
}

// requestID is the header in which the listener names the request.
const requestID = "x-ms-request-id"

// serve finds out what is wanted and whether the caller may, in an order that tells nothing to
// those who may not.
func (x *exchange) serve() error {
	x.route, x.params = x.h.find(x.r.URL.Path)
	if x.route == nil || !x.route.anonymous {
		if err := x.recognize(); err != nil {
			return err
		}
	}
	if x.route == nil {
		return apierror.NotFound("Nothing is at the address " + apierror.Quoted(x.r.URL.Path) + ".")
	}
	if err := x.choose(); err != nil {
		return err
	}
	if x.op.action != "" {
		if err := x.may(x.op.action); err != nil {
			return err
		}
	}
	if err := x.locate(); err != nil {
		return err
	}
	return x.op.handle(x)
}

func (x *exchange) recognize() error {
	caller, err := x.h.options.Caller(x.r)
	if err != nil {
		return refusal(err, http.StatusUnauthorized)
	}
	x.caller = caller
	return nil
}

func (x *exchange) may(action string) error {
	if err := x.caller.May(action); err != nil {
		return refusal(err, http.StatusForbidden)
	}
	return nil
}

// refusal makes an error of what was refused; any other error refuses too.
func refusal(err error, status int) *apierror.Error {
	var f *apierror.Error
	if errors.As(err, &f) {
		return f
	}
	code := "AuthenticationFailed"
	if status == http.StatusForbidden {
		code = "AuthorizationFailed"
	}
	return &apierror.Error{Status: status, Code: code, Message: "The request was refused.", Remedy: "Ask an owner of the instance for access.", Cause: err}
}

// choose finds the operation by method and version.
func (x *exchange) choose() error {
	query := x.r.URL.Query()
	var all versions
	for _, op := range x.route.operations {
		all |= op.versions
	}
	if all != 0 {
		v, err := apiVersion(query, all)
		if err != nil {
			return err
		}
		x.version = v
	}
	var allow []string
	for i, op := range x.route.operations {
		if x.version != nil && op.versions&x.version.bit == 0 {
			continue
		}
		allow = append(allow, op.verb)
		if op.verb == x.r.Method {
			x.op = &x.route.operations[i]
		}
	}
	if x.op == nil {
		return &apierror.Error{Status: http.StatusMethodNotAllowed, Code: "MethodNotAllowed", Allow: strings.Join(allow, ", "),
			Message: "The method " + apierror.Quoted(x.r.Method) + " is not supported here.", Remedy: "Use " + strings.Join(allow, " or ") + "."}
	}
	return nil
}

// locate finds subscription, resource group and location.
func (x *exchange) locate() error {
	p, want := x.params, x.route.needs
	if want&needsSubscription != 0 && !strings.EqualFold(p.Subscription, x.h.options.SubscriptionID) {
		return &apierror.Error{Status: http.StatusNotFound, Code: "SubscriptionNotFound", Message: "The subscription " + apierror.Quoted(p.Subscription) + " could not be found.", Remedy: "Use the subscription that the list of subscriptions shows."}
	}
	if want&needsLocation != 0 {
		x.loc = x.h.locations[strings.ToLower(p.Location)]
	}
	if want&needsGroup != 0 && len(x.h.inGroup(p.Group)) == 0 {
		return &apierror.Error{Status: http.StatusNotFound, Code: "ResourceGroupNotFound", Message: "The resource group " + apierror.Quoted(p.Group) + " could not be found.", Remedy: "The group of a location is named System.LOCATION."}
	}
	if want&needsLocation == 0 {
		return nil
	}
	if x.loc == nil || want&needsGroup != 0 && !strings.EqualFold(x.loc.Group, p.Group) {
		return apierror.NotFound("The backup location " + apierror.Quoted(p.Location) + " could not be found.")
	}
	x.snap = x.loc.Board.Snapshot()
	if x.r.Method != http.MethodGet {
		return nil
	}
	x.loc.Board.Looked()
	x.asOf()
	last := x.route.segments[len(x.route.segments)-1]
	if slices.Contains(ofControl, last) {
		return nil
	}
	if x.snap.Enabled && x.snap.Fault != nil && slices.Contains(ofSettings, last) {
		return nil // while the share is away: what is wrong is what a monitor wants to know
	}
	return unread(x.snap)
}

// ofSettings are the own addresses that tell of more than what lies on the share.
var ofSettings = []string{"status", "alerts", "history", "schedule"}

// ofControl end the addresses for which control is asked, whatever the board knows.
var ofControl = []string{address.Operation, address.Plan, address.Drill, address.Diff, "restores", "drills", "current"}

// unread refuses to answer of a snapshot that is none yet: that nothing is set, or that there
// are no backups, would be wrong.
func unread(s *board.Snapshot) error {
	if !s.AsOf.IsZero() {
		return nil
	}
	f := apierror.AtRequest(fault.Newf(fault.NoWorker, "the state of the instance was not read yet"))
	if s.Fault != nil {
		f = apierror.AtRequest(s.Fault)
	}
	f.Status, f.RetryAfter = http.StatusServiceUnavailable, apierror.WaitWhenAway
	return f
}

// asOf says how old the answer is. It has no name in the API, so it is a header.
func (x *exchange) asOf() {
	if at := wire.Date(x.snap.AsOf); at != nil {
		x.w.Header().Set("x-infrabackup-as-of", *at)
	}
}

// inGroup returns the locations of a resource group.
func (h *Handler) inGroup(group string) []*location {
	var found []*location
	for _, key := range sortedKeys(h.locations) {
		if l := h.locations[key]; strings.EqualFold(l.Group, group) {
			found = append(found, l)
		}
	}
	return found
}

// answer sends a body.
func (x *exchange) answer(status int, mediaType string, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	header := x.w.Header()
	header.Set("Content-Type", mediaType)
	header.Set("Content-Length", strconv.Itoa(len(data)))
	x.w.WriteHeader(status)
	_, _ = x.w.Write(data) // the client may be gone
	return nil
}

// empty answers without a body.
func (x *exchange) empty(status int) error {
	x.w.Header().Set("Content-Length", "0")
	x.w.WriteHeader(status)
	return nil
}

// waiting sets Retry-After in seconds, the only form that all clients read.
func (x *exchange) waiting(seconds int) { x.w.Header().Set("Retry-After", strconv.Itoa(seconds)) }

// beginTimeout bounds how long it may take to begin an operation. A resource manager wants an
// answer within a minute.
const beginTimeout = 45 * time.Second
