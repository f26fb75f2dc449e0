package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Fault is a failure that an operator can act on.
type Fault struct {
	// Code names the cause.
	Code Code
	// What says which operation failed on which object, in words that can stand
	// at the start of a sentence: `\\fs\AzSBackups refused CORP\backup`.
	What string
	// RetryAfter is how long the other side asked to wait, zero when it did not.
	RetryAfter time.Duration
	// Advice says what to do where that is known better than by the code; empty for the
	// code's remedy. It does not cross a process boundary.
	Advice string
	// Err is the cause underneath, nil when the code says it all.
	Err error
}

// New makes a fault. What describes operation and object; cause may be nil.
func New(code Code, what string, cause error) *Fault {
	return &Fault{Code: code, What: what, Err: cause}
}

// Newf is [New] with a formatted What and no cause.
func Newf(code Code, format string, args ...any) *Fault {
	return &Fault{Code: code, What: fmt.Sprintf(format, args...)}
}

// Usagef is [Newf] for what an operator typed: flags and arguments.
func Usagef(format string, args ...any) *Fault { return Newf(Usage, format, args...) }

// Error gives code, object and cause, without the remedy.
func (f *Fault) Error() string {
	if f.Err == nil {
		return fmt.Sprintf("%s: %s", f.Code, f.What)
	}
	return fmt.Sprintf("%s: %s (%s)", f.Code, f.What, f.Err)
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Is makes errors.Is(err, fault.Code) possible through [Code.Error].
func (f *Fault) Is(target error) bool {
	code, ok := target.(Code)
	return ok && f.Code == code
}

// Message is What with its cause, without the code.
func (f *Fault) Message() string {
	if f.Err == nil {
		return f.What
	}
	return fmt.Sprintf("%s (%s)", f.What, f.Err)
}

// Remedy is one sentence that says what to do.
func (f *Fault) Remedy() string {
	if f.Advice != "" {
		return f.Advice
	}
	return f.Code.Remedy()
}

// Line is the one line that a user reads: code, what failed and why, what to do.
func (f *Fault) Line() string {
	line := strings.TrimRight(f.Error(), ".")
	if !strings.HasSuffix(line, "?") { // as of "did you mean"
		line += "."
	}
	if remedy := f.Remedy(); remedy != "" {
		line += " " + remedy
	}
	return strings.ReplaceAll(line, "\n", " ")
}

// Of finds the outermost fault in err's chain.
func Of(err error) (*Fault, bool) {
	var f *Fault
	if errors.As(err, &f) {
		return f, true
	}
	return nil, false
}

// CodeOf returns the code of the outermost fault in err's chain, [Internal] for
// any other error and the empty code for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if f, ok := Of(err); ok {
		return f.Code
	}
	return Internal
}

// As returns err as a fault: itself when there is one in the chain, else an
// [Internal] fault around it.
func As(err error) *Fault {
	if err == nil {
		return nil
	}
	if f, ok := Of(err); ok {
		return f
	}
	return New(Internal, "unexpected failure", err)
}

// OfInput is a fault about what an operator gives, unless it was not waited for: then it is
// [Cancelled], or ctx's own error when the time was over, since whoever set the time says
// so better.
func OfInput(ctx context.Context, what string, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return ctx.Err()
	case ctx.Err() != nil, errors.Is(err, context.Canceled):
		return Newf(Cancelled, "the command was interrupted")
	}
	return New(Usage, what, err)
}
