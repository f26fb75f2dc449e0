package web

import (
	"net/http"

	"infrabackup/internal/apierror"
	"infrabackup/internal/auth"
)

// Refused is what package auth refused as the API answers it; any other error is an internal
// one.
func Refused(err error) *apierror.Error {
	refused, ok := auth.RefusalOf(err)
	if !ok {
		f := failed()
		f.Cause = err
		return f
	}
	return &apierror.Error{
		Status: refused.Status, Code: refused.Code, Message: refused.Message, Remedy: refused.Remedy,
		Challenge: refused.Challenge, RetryAfter: refused.RetryAfter, Cause: refused.Err,
	}
}

// failed says that the service is at fault.
func failed() *apierror.Error {
	return &apierror.Error{
		Status: http.StatusInternalServerError, Code: apierror.CodeInternal, Message: "The service has failed to answer this request.",
		Remedy: "Try again; if it repeats, look into the service's log for the request id.",
	}
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader implements [http.ResponseWriter].
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (r *recorder) Write(data []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(data)
	r.bytes += int64(n)
	return n, err
}

// Flush implements [http.Flusher].
func (r *recorder) Flush() {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	_ = http.NewResponseController(r.ResponseWriter).Flush() // a client that is gone is noticed at the next write
}

// Unwrap is for [http.ResponseController].
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
