package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"infrabackup/internal/auth"
)

// errorBody is the error of Azure Resource Manager.
type errorBody struct {
	Error errorDetail `json:"error"`
}

type errorDetail struct {
	Code           string           `json:"code"`
	Message        string           `json:"message"`
	Target         *string          `json:"target"`
	Details        []errorDetail    `json:"details"`
	AdditionalInfo []additionalInfo `json:"additionalInfo"`
}

type additionalInfo struct {
	Type string `json:"type"`
	Info any    `json:"info"`
}

type remedyInfo struct {
	Remedy string `json:"remedy"`
}

// WriteError answers with an error of Azure Resource Manager. Target names the member that is
// meant, remedy says what to do; both may be empty.
func WriteError(w http.ResponseWriter, status int, code, message, target, remedy string) {
	detail := errorDetail{Code: code, Message: message, Details: []errorDetail{}, AdditionalInfo: []additionalInfo{}}
	if target != "" {
		detail.Target = &target
	}
	if remedy != "" {
		detail.AdditionalInfo = append(detail.AdditionalInfo, additionalInfo{Type: "Remedy", Info: remedyInfo{remedy}})
	}
	data, err := json.Marshal(errorBody{detail})
	if err != nil { // texts only, which always can be
		http.Error(w, http.StatusText(status), status)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data) // the client may be gone
}

// WriteRefusal answers with what package auth refused; any other error is an internal one.
func WriteRefusal(w http.ResponseWriter, err error) {
	refused, ok := auth.RefusalOf(err)
	if !ok {
		WriteError(w, http.StatusInternalServerError, codeInternal, messageInternal, "", remedyInternal)
		return
	}
	if refused.Challenge != "" {
		w.Header().Set("WWW-Authenticate", refused.Challenge)
	}
	setRetryAfter(w, refused.RetryAfter)
	WriteError(w, refused.Status, refused.Code, refused.Message, "", refused.Remedy)
}

// WriteBodyError answers for a body that could not be read: 413 when it is too long, 400
// else.
func WriteBodyError(w http.ResponseWriter, err error) {
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		writeTooLong(w, tooLong.Limit)
		return
	}
	WriteError(w, http.StatusBadRequest, "InvalidRequestContent", "The body of the request could not be read.", "", "Send the request again.")
}

func writeTooLong(w http.ResponseWriter, limit int64) {
	WriteError(w, http.StatusRequestEntityTooLarge, "RequestContentTooLarge", "The body of the request has more than "+strconv.FormatInt(limit, 10)+" bytes.", "", "Send a shorter body.")
}

func setRetryAfter(w http.ResponseWriter, d time.Duration) {
	if d > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((d+time.Second-1)/time.Second)))
	}
}

const (
	codeInternal    = "InternalServerError"
	messageInternal = "The service has failed to answer this request."
	remedyInternal  = "Try again; if it repeats, look into the service's log for the request id."
)

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
