package webhook

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
)

// Kind says what happened to an alert.
type Kind string

// The kinds.
const (
	Opened       Kind = "opened"
	Closed       Kind = "closed"
	Acknowledged Kind = "acknowledged"
)

// Event is one notification.
type Event struct {
	ID       string      `json:"id"` // the same at every attempt
	Instance string      `json:"instance"`
	At       time.Time   `json:"at"` // UTC, when it happened
	Event    Kind        `json:"event"`
	Alert    alert.Alert `json:"alert"`
}

// Stats counts notifications.
type Stats struct {
	Queued    int   // waiting, with the one that is being sent
	Delivered int64 // that the receiver has taken
	Dropped   int64 // given up, because the queue was full or they were too old
	Attempts  int64 // that were made
	LastError string
}

// letter is an event on its way.
type letter struct {
	id   string
	at   time.Time
	body []byte
}

// Sender delivers notifications, one after the other, in the background. It may be used
// concurrently.
type Sender struct {
	options Options
	url     *url.URL
	client  *http.Client
	wake    chan struct{} // holds one token when something was queued
	done    chan struct{} // closed when the last attempt has ended
	stop    context.CancelFunc

	mu      sync.Mutex
	queue   []letter
	sending bool
	closing bool
	closed  chan struct{} // closed when nothing more is taken
	stats   Stats
}

// New starts a sender. Its errors are CONFIG_INVALID faults.
func New(o Options) (*Sender, error) {
	target, err := o.target()
	if err != nil {
		return nil, err
	}
	if o.Timeout <= 0 {
		o.Timeout = attemptTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Sender{
		options: o, url: target, client: newClient(o), stop: stop,
		wake: make(chan struct{}, 1), done: make(chan struct{}), closed: make(chan struct{}),
	}
	go s.run(ctx)
	return s, nil
}

// Send queues a notification for each alert and returns at once. The oldest that wait are
// dropped when there are too many. After Close nothing is taken.
func (s *Sender) Send(kind Kind, alerts ...alert.Alert) error {
	at := s.options.Now().UTC()
	for _, a := range alerts {
		id, err := backup.NewID(rand.Reader)
		if err != nil {
			return fmt.Errorf("notify of alert %s: %w", a.Code, err)
		}
		body, err := json.Marshal(Event{ID: string(id), Instance: s.options.Instance, At: at, Event: kind, Alert: a})
		if err != nil {
			return fmt.Errorf("notify of alert %s: %w", a.Code, err)
		}
		s.push(letter{id: string(id), at: at, body: body})
	}
	return nil
}

func (s *Sender) push(l letter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		s.stats.Dropped++
		return
	}
	if len(s.queue) == MaxQueued {
		s.options.Log.Warn("the oldest notification was dropped: the webhook's receiver was away for too long", "id", s.queue[0].id)
		s.queue = append(s.queue[:0], s.queue[1:]...)
		s.stats.Dropped++
	}
	s.queue = append(s.queue, l)
	select {
	case s.wake <- struct{}{}:
	default: // it is awake
	}
}

// pop takes the oldest notification; false when there is none.
func (s *Sender) pop() (l letter, ok, closing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return letter{}, false, s.closing
	}
	l = s.queue[0]
	s.queue = append(s.queue[:0], s.queue[1:]...)
	s.sending = true
	return l, true, s.closing
}

// Stats returns the counts so far.
func (s *Sender) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	if out.Queued = len(s.queue); s.sending {
		out.Queued++
	}
	return out
}

// Close takes nothing more, and tries to deliver what waits until ctx ends. It says how many
// were not delivered.
func (s *Sender) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closing {
		s.closing = true
		close(s.closed)
	}
	s.mu.Unlock()
	select {
	case <-s.done:
	case <-ctx.Done():
		s.stop()
		<-s.done
	}
	s.stop()
	s.client.CloseIdleConnections()
	if left := s.Stats().Queued; left > 0 {
		return fmt.Errorf("%d notifications were not delivered to %s: %s", left, s.url.Host, s.Stats().LastError)
	}
	return nil
}
