package writer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/fault"
)

// Options bound the waiting.
type Options struct {
	// Patience is how long one change may take; 30 minutes when zero.
	Patience time.Duration
	// Poll is how long to wait before asking again where the stamp does not say; 2 seconds
	// when zero.
	Poll time.Duration
	// Sleep waits; for tests. A timer when nil.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Limits of waiting.
const (
	defaultPatience = 30 * time.Minute
	defaultPoll     = 2 * time.Second
	maxPoll         = time.Minute
)

// Resources changes the resources of one resource manager, or of one vault. It is safe for
// concurrent use.
type Resources struct {
	client  *azure.Client
	writer  *azure.Writer
	options Options
}

// New makes one that uses a client's connection and token.
func New(c *azure.Client, o Options) *Resources {
	if o.Patience == 0 {
		o.Patience = defaultPatience
	}
	if o.Poll == 0 {
		o.Poll = defaultPoll
	}
	if o.Sleep == nil {
		o.Sleep = Sleep
	}
	return &Resources{client: c, writer: azure.NewWriter(c), options: o}
}

// Sleep waits, or ends with the cause of ctx.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Match makes a change depend on what is there. The zero value makes it depend on nothing.
type Match struct {
	// Absent: only when nothing is there (If-None-Match: *).
	Absent bool
	// ETag: only while what is there has this tag (If-Match).
	ETag string
}

func (m Match) header() http.Header {
	switch {
	case m.Absent:
		return http.Header{"If-None-Match": {"*"}}
	case m.ETag != "":
		return http.Header{"If-Match": {m.ETag}}
	}
	return nil
}

// Put makes a resource be as body says, and returns when that is complete. A state that
// does not match is TARGET_REFUSED.
func (r *Resources) Put(ctx context.Context, id, apiVersion string, body []byte, match Match) error {
	return r.change(ctx, http.MethodPut, id, apiVersion, body, match)
}

// Patch changes members of a resource.
func (r *Resources) Patch(ctx context.Context, id, apiVersion string, body []byte, match Match) error {
	return r.change(ctx, http.MethodPatch, id, apiVersion, body, match)
}

// Delete removes a resource, and returns when it is gone. One that is not there is no error.
func (r *Resources) Delete(ctx context.Context, id, apiVersion string, match Match) error {
	return r.change(ctx, http.MethodDelete, id, apiVersion, nil, match)
}

// Post calls an action, such as a provider's registration, and returns its answer. Body may
// be nil. What it begins is not waited for.
func (r *Resources) Post(ctx context.Context, path, apiVersion string, body []byte) ([]byte, error) {
	reply, err := r.writer.Send(ctx, http.MethodPost, path, apiVersion, nil, body)
	if err != nil {
		return nil, Fault(err)
	}
	return reply.Body, nil
}

// Set sends a body with a method to a path of a vault, whose changes are complete when they
// are answered, and returns the answer.
func (r *Resources) Set(ctx context.Context, method, path, apiVersion string, body []byte) ([]byte, error) {
	reply, err := r.writer.Send(ctx, method, path, apiVersion, nil, body)
	if err != nil {
		return nil, Fault(err)
	}
	return reply.Body, nil
}

func (r *Resources) change(ctx context.Context, method, id, apiVersion string, body []byte, match Match) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.options.Patience, fault.Newf(fault.TargetFailed, "%s %s was not complete after %s", strings.ToLower(method), id, r.options.Patience))
	defer cancel()
	reply, err := r.writer.Send(ctx, method, id, apiVersion, match.header(), body)
	if method == http.MethodDelete && errors.Is(err, azure.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = r.wait(ctx, reply)
	}
	if err == nil {
		err = r.settle(ctx, method, id, apiVersion)
	}
	if err != nil && ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	return Fault(err)
}

// wait waits for a long-running operation.
func (r *Resources) wait(ctx context.Context, reply *azure.Reply) error {
	address, isStatus := reply.Operation, true
	if address == "" && reply.Status == http.StatusAccepted {
		address, isStatus = reply.Location, false
	}
	for address != "" {
		if err := r.pause(ctx, reply.RetryAfter); err != nil {
			return err
		}
		next, err := r.writer.Follow(ctx, address)
		switch {
		case errors.Is(err, azure.ErrNotFound):
			return nil // the resource tells
		case err != nil && fault.CodeOf(err).Retryable():
			continue // the operation goes on whether or not it can be asked for
		case err != nil:
			return err
		}
		reply = next
		if !isStatus {
			if reply.Status != http.StatusAccepted {
				return nil
			}
			continue
		}
		switch status := jsondoc.Member(gjson.ParseBytes(reply.Body), "status").String(); {
		case strings.EqualFold(status, "Succeeded"):
			return nil
		case strings.EqualFold(status, "Failed"), strings.EqualFold(status, "Canceled"), strings.EqualFold(status, "Cancelled"):
			return ended(status, reply.Body)
		}
	}
	return nil
}

// ended is the fault of an operation that did not succeed.
func ended(status string, body []byte) error {
	said := jsondoc.Member(gjson.ParseBytes(body), "error")
	return fault.Newf(fault.TargetRefused, "the operation ended as %.40q: %.100q %.300q", status, jsondoc.Member(said, "code").String(), jsondoc.Member(said, "message").String())
}

func (r *Resources) pause(ctx context.Context, asked time.Duration) error {
	if asked <= 0 {
		asked = r.options.Poll
	}
	return r.options.Sleep(ctx, min(asked, maxPoll))
}

// settle reads the resource until its state is final.
func (r *Resources) settle(ctx context.Context, method, id, apiVersion string) error {
	for tries := 0; ; tries++ {
		answer, err := r.client.Get(ctx, id, apiVersion, nil)
		switch {
		case err == nil && method == http.MethodDelete:
			// Managers answer from a cache for some seconds.
		case errors.Is(err, azure.ErrNotFound) && method == http.MethodDelete:
			return nil
		case errors.Is(err, azure.ErrNotFound) && tries < maxUnseen:
		case err != nil:
			return err
		default:
			state := stateOf(answer.Body)
			if final(state) {
				if strings.EqualFold(state, "Failed") || strings.EqualFold(state, "Canceled") {
					return fault.Newf(fault.TargetRefused, "%s is there with the state %s", id, state)
				}
				return nil
			}
		}
		if err := r.pause(ctx, 0); err != nil {
			return err
		}
	}
}

// maxUnseen is how often something that was put may be not found.
const maxUnseen = 15

// stateOf is the provisioningState of a document, empty when it has none.
func stateOf(document []byte) string {
	d := gjson.ParseBytes(document)
	if s := jsondoc.Member(jsondoc.Member(d, "properties"), "provisioningState"); s.Type == gjson.String {
		return s.Str
	}
	return jsondoc.Member(d, "provisioningState").String()
}

// final reports whether a provisioningState changes no more by itself. What is unknown does
// not hold anybody up.
func final(state string) bool {
	switch strings.ToLower(state) {
	case "creating", "updating", "deleting", "accepted", "running", "provisioning", "registering", "pending", "resolvingdns", "migrating", "inprogress":
		return false
	}
	return true
}

// Fault gives a fault of reading or writing a stamp the code that it has for a target.
func Fault(err error) error {
	f, ok := fault.Of(err)
	if err == nil || !ok {
		return err
	}
	code := fault.TargetFailed
	switch f.Code {
	case fault.SourceUnreachable, fault.SourceTLS, fault.SourceIncomplete:
		code = fault.TargetUnreachable
	case fault.SourceAuthFailed:
		code = fault.TargetAuthFailed
	case fault.SourceAccessDenied:
		code = fault.TargetAccessDenied
	case fault.SourceThrottled:
		code = fault.TargetThrottled
	case fault.SourceInvalid, fault.LimitExceeded, fault.SourceInconsistent:
		code = fault.TargetRefused
	case fault.SourceFailed:
	default:
		return err
	}
	return fault.New(code, "the target", fmt.Errorf("%w", err))
}
