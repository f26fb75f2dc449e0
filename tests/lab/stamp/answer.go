package stamp

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// answer is a whole response. Faults change it before it is sent.
type answer struct {
	status int
	header http.Header // nil for none but the usual ones
	body   []byte
	page   bool // made by Stamp.page, which has seen to the faults of elements
}

// with adds a header.
func (a *answer) with(name, value string) *answer {
	if a.header == nil {
		a.header = http.Header{}
	}
	a.header.Set(name, value)
	return a
}

// document answers bytes as they are.
func document(status int, body []byte) *answer { return &answer{status: status, body: body} }

// object answers a value of our own as JSON.
func object(status int, v any) *answer {
	body, err := json.Marshal(v)
	if err != nil { // only strings, numbers and valid raw messages are given
		return fail(http.StatusInternalServerError, "InternalServerError", err.Error())
	}
	return document(status, body)
}

// fail is an error as ARM and key vaults give it.
func fail(status int, code, message string) *answer {
	return object(status, map[string]any{"error": map[string]any{"code": code, "message": message}})
}

// send writes the response; cut ends it in the middle of its body.
func (a *answer) send(w http.ResponseWriter, r *http.Request, cut bool) {
	h := w.Header()
	for name, values := range a.header {
		h[name] = values
	}
	id := newGUID()
	h.Set("x-ms-request-id", id)
	if correlation := r.Header.Get("x-ms-correlation-request-id"); correlation != "" {
		id = correlation
	}
	h.Set("x-ms-correlation-request-id", id)
	h.Set("Cache-Control", "no-cache")
	if len(a.body) > 0 {
		h.Set("Content-Type", "application/json; charset=utf-8")
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	body := a.body
	if cut {
		body = body[:len(body)/2]
	}
	// A client that has gone does not want the rest.
	_, _ = w.Write(body)
	if cut {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}
