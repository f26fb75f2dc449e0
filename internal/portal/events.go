package portal

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// events is the stream that keeps a page current: whenever what a page shows has changed, it
// sends that part of it. It ends with the session, and does not make the session last longer.
func (q *request) events() {
	end, ok := q.h.streams.Open(q.session.Subject())
	if !ok {
		q.w.Header().Set("Retry-After", "30")
		http.Error(q.w, "too many streams", http.StatusServiceUnavailable)
		return
	}
	defer end()
	ctx := q.r.Context()
	out := http.NewResponseController(q.w)
	_ = out.SetWriteDeadline(time.Time{}) // a stream lasts; where there are no deadlines, none is needed
	q.w.Header().Set("Content-Type", "text/event-stream")
	q.w.WriteHeader(http.StatusOK)
	snapshots := q.Board.Subscribe(ctx)
	heartbeat := time.NewTicker(q.h.Heartbeat)
	defer heartbeat.Stop()
	var poll <-chan time.Time // of an operation, which is in no snapshot
	if q.r.URL.Query().Get("view") == "operation" {
		ticker := time.NewTicker(2 * time.Second)
		defer ticker.Stop()
		poll = ticker.C
	}
	var last []byte
	send := func() bool {
		part := q.part()
		if part == nil || bytes.Equal(part, last) {
			return true
		}
		last = part
		var event strings.Builder
		fmt.Fprintf(&event, "id: %d\n", q.snap.Number)
		for line := range strings.Lines(string(part)) {
			event.WriteString("data: " + strings.TrimRight(line, "\r\n") + "\n")
		}
		event.WriteString("\n")
		_, err := q.w.Write([]byte(event.String()))
		return err == nil && out.Flush() == nil
	}
	if !send() {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case snapshot, ok := <-snapshots:
			if !ok {
				return
			}
			q.snap = snapshot
		case <-poll:
		case <-heartbeat.C:
			if _, err := q.w.Write([]byte(": here\n\n")); err != nil || out.Flush() != nil {
				return
			}
		}
		if !q.alive() {
			_, _ = q.w.Write([]byte("event: signed-out\ndata: -\n\n")) // the end of the stream says the same
			_ = out.Flush()
			return
		}
		if !send() {
			return
		}
	}
}

// alive reports whether the session goes on.
func (q *request) alive() bool {
	if q.h.Alive != nil {
		return q.h.Alive(q.r.Context())
	}
	return q.h.Now().Before(q.session.ExpiresAt())
}

// part draws what the stream's page shows now, nil when there is no such page.
func (q *request) part() []byte {
	query := q.r.URL.Query()
	view := query.Get("view")
	p := q.h.page("", q.session)
	p.Instance, p.S, p.Rates = q.Name, q.snap, q.h.paces[q.Name].Observe(q.snap, q.h.Now())
	switch view {
	case "overview":
		p.Data = q.overviewData()
	case "backups":
		p.Data = q.backupsData()
	case "backup":
		data, ok := q.backupData(query.Get("id"))
		if !ok {
			return nil
		}
		p.Data = data
	case "alerts":
	case "operation":
		data, err := q.operationData(query.Get("id"), query.Get("preview") != "")
		if err != nil {
			return nil // what was sent stays until it can be asked for again
		}
		p.Data = data
	default:
		return nil
	}
	var out bytes.Buffer
	p.content = view
	if err := templates().ExecuteTemplate(&out, "live", p); err != nil {
		return nil
	}
	return out.Bytes()
}
