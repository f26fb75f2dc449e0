package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/alert"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

const shared = "canary correct horse battery"

var at = time.Unix(1_800_000_000, 0).UTC()

// clock is a time that passes only where somebody waits.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	waits []time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Wait(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.waits = append(c.waits, d)
	return ctx.Err()
}

// receiver takes notifications, and answers as it is told.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	events []Event
	bodies [][]byte
	signed []string
	got    chan Event // of those that were taken
}

func newReceiver(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request) bool) *receiver {
	t.Helper()
	v := &receiver{got: make(chan Event, 4*MaxQueued)}
	v.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var e Event
		_ = json.Unmarshal(body, &e)
		v.mu.Lock()
		v.events, v.bodies, v.signed = append(v.events, e), append(v.bodies, body), append(v.signed, r.Header.Get("X-Infrabackup-Signature"))
		n := len(v.events)
		v.mu.Unlock()
		if answer == nil || answer(n, w, r) {
			v.got <- e
		}
	}))
	v.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(v.Close)
	return v
}

func (v *receiver) options(c *clock) Options {
	pool := x509.NewCertPool()
	pool.AddCert(v.Certificate())
	return Options{URL: v.URL + "/hook?token=canary", Secret: secret.New(shared), Roots: pool, Instance: "local", Now: c.Now, Wait: c.Wait}
}

func start(t *testing.T, o Options) *Sender {
	t.Helper()
	s, err := New(o)
	require.NoError(t, err)
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Close(ended)
	})
	return s
}

func some(code alert.Code) alert.Alert {
	for _, cause := range alert.Causes() {
		if cause.Code == code {
			return alert.Alert{Cause: cause, Object: "o", Message: "so", Since: at}
		}
	}
	panic(code)
}

// mac is HMAC-SHA256 as RFC 2104 has it.
func mac(key string, message []byte) string {
	pad := func(b byte) []byte {
		out := bytes.Repeat([]byte{b}, sha256.BlockSize)
		for i := range key {
			out[i] ^= key[i]
		}
		return out
	}
	inner := sha256.Sum256(append(pad(0x36), message...))
	outer := sha256.Sum256(append(pad(0x5c), inner[:]...))
	return hex.EncodeToString(outer[:])
}

func TestDelivers(t *testing.T) {
	v := newReceiver(t, nil)
	s := start(t, v.options(&clock{now: at}))
	require.NoError(t, s.Send(Opened, some(alert.ShareFull), some(alert.NoWorker)))
	require.NoError(t, s.Send(Closed, some(alert.ShareFull)))
	require.NoError(t, s.Close(t.Context()))
	require.Len(t, v.events, 3)
	require.Equal(t, Event{v.events[0].ID, "local", at, Opened, some(alert.ShareFull)}, v.events[0])
	require.Equal(t, alert.NoWorker, v.events[1].Alert.Code)
	require.Equal(t, Closed, v.events[2].Event)
	require.NotEqual(t, v.events[0].ID, v.events[2].ID)
	for i, body := range v.bodies {
		stamp := fmt.Sprint(at.Unix())
		require.Equal(t, "t="+stamp+",v1="+mac(shared, append([]byte(stamp+"."), body...)), v.signed[i])
	}
	require.Equal(t, Stats{Delivered: 3, Attempts: 3}, s.Stats())
	var fields map[string]any
	require.NoError(t, json.Unmarshal(v.bodies[0], &fields))
	require.ElementsMatch(t, []string{"id", "instance", "at", "event", "alert"}, keysOf(fields))
	require.NoError(t, s.Send(Opened, some(alert.ShareFull)))
	require.EqualValues(t, 1, s.Stats().Dropped, "it is closed")
}

func keysOf(m map[string]any) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	return all
}

// TestSignatureOfKnownValues compares with what openssl dgst -hmac writes.
func TestSignatureOfKnownValues(t *testing.T) {
	s := Sender{options: Options{Secret: secret.New("correct horse battery"), Now: func() time.Time { return at }}}
	require.Equal(t, "t=1800000000,v1=3427f29dd07fc9f22c53a2f03d9d89f8c62ec6d4c89167e2a5040ad3f826cd4f", s.sign([]byte(`{"id":"x"}`)))
}

func TestRetriesUntilTaken(t *testing.T) {
	v := newReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) bool {
		switch n {
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
		case 2:
			panic(http.ErrAbortHandler) // the connection breaks
		case 3:
			w.WriteHeader(http.StatusForbidden)
		case 4:
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(http.StatusTooManyRequests)
		case 5:
			w.Header().Set("Retry-After", "99999999")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return n > 5
	})
	c := &clock{now: at}
	s := start(t, v.options(c))
	require.NoError(t, s.Send(Opened, some(alert.ShareFull), some(alert.NoWorker)))
	first, second := <-v.got, <-v.got
	require.Equal(t, alert.ShareFull, first.Alert.Code, "order is kept")
	require.Equal(t, alert.NoWorker, second.Alert.Code)
	require.NoError(t, s.Close(t.Context()))
	require.Equal(t, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 30 * time.Second, maxDelay}, c.waits)
	for i, e := range v.events[:6] {
		require.Equal(t, first.ID, e.ID)
		require.Equal(t, v.bodies[0], v.bodies[i])
	}
	require.NotEqual(t, v.signed[0], v.signed[5], "each attempt is signed with its own time")
	require.Equal(t, Stats{Delivered: 2, Attempts: 7}, s.Stats())
}

func TestRedirectionsAreNotFollowed(t *testing.T) {
	other := newReceiver(t, nil)
	for _, status := range []int{301, 302, 303, 307, 308} {
		v := newReceiver(t, func(n int, w http.ResponseWriter, r *http.Request) bool {
			if n == 1 {
				http.Redirect(w, r, other.URL, status)
			}
			return n > 1
		})
		var log bytes.Buffer
		o := v.options(&clock{now: at})
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		s := start(t, o)
		require.NoError(t, s.Send(Opened, some(alert.ShareFull)))
		require.NoError(t, s.Close(t.Context()))
		require.Len(t, v.events, 2)
		require.Contains(t, log.String(), "which is not followed")
		require.NotContains(t, log.String(), "canary")
	}
	require.Empty(t, other.events)
}

// TestSlowReceiver: one that does not answer, or whose answer does not end, holds up nothing but
// its own notifications, and those for a bounded time.
func TestSlowReceiver(t *testing.T) {
	for name, begin := range map[string]bool{"no answer": false, "an answer without an end": true} {
		t.Run(name, func(t *testing.T) {
			v := newReceiver(t, func(n int, w http.ResponseWriter, r *http.Request) bool {
				if n > 1 {
					return true
				}
				if begin {
					w.WriteHeader(http.StatusBadGateway)
					w.(http.Flusher).Flush()
				}
				<-r.Context().Done()
				return false
			})
			o := v.options(&clock{now: at})
			o.Timeout = 200 * time.Millisecond
			s := start(t, o)
			require.NoError(t, s.Send(Opened, some(alert.ShareFull)))
			<-v.got
			require.NoError(t, s.Close(t.Context()))
			require.EqualValues(t, 1, s.Stats().Delivered)
		})
	}
}

func TestAnswersAreBounded(t *testing.T) {
	v := newReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n == 1 {
			w.Header().Set("X-Long", strings.Repeat("x", 2*maxHeader))
			return false
		}
		_, _ = w.Write(bytes.Repeat([]byte("x"), 8<<20))
		return true
	})
	s := start(t, v.options(&clock{now: at}))
	require.NoError(t, s.Send(Opened, some(alert.ShareFull)))
	require.NoError(t, s.Close(t.Context()))
	require.Equal(t, Stats{Delivered: 1, Attempts: 2}, s.Stats())
}

// TestQueueIsBounded: a receiver that is away costs the oldest notifications, and nobody waits.
func TestQueueIsBounded(t *testing.T) {
	release := make(chan struct{})
	v := newReceiver(t, func(n int, _ http.ResponseWriter, _ *http.Request) bool {
		if n == 1 {
			<-release
		}
		return true
	})
	s := start(t, v.options(&clock{now: at}))
	require.NoError(t, s.Send(Opened, some(alert.ShareFull)))
	require.Eventually(t, func() bool { return s.Stats().Attempts == 1 }, 10*time.Second, time.Millisecond)
	for i := range MaxQueued + 10 {
		a := some(alert.BackupDamaged)
		a.Object = fmt.Sprint(i)
		require.NoError(t, s.Send(Opened, a))
	}
	require.Equal(t, MaxQueued+1, s.Stats().Queued)
	require.EqualValues(t, 10, s.Stats().Dropped)
	close(release)
	require.NoError(t, s.Close(t.Context()))
	require.Len(t, v.events, MaxQueued+1)
	require.Equal(t, "10", v.events[1].Alert.Object)
	require.Equal(t, fmt.Sprint(MaxQueued+9), v.events[MaxQueued].Alert.Object)
}

func TestTooOldIsGivenUp(t *testing.T) {
	v := newReceiver(t, func(_ int, w http.ResponseWriter, r *http.Request) bool {
		body := w.Header()
		body.Set("Retry-After", "300")
		w.WriteHeader(http.StatusServiceUnavailable)
		return false
	})
	c := &clock{now: at}
	s := start(t, v.options(c))
	require.NoError(t, s.Send(Opened, some(alert.ShareFull)))
	require.Eventually(t, func() bool { return s.Stats().Dropped == 1 }, 30*time.Second, time.Millisecond)
	require.GreaterOrEqual(t, c.Now().Sub(at), MaxAge)
	require.Equal(t, "the receiver answered 503", s.Stats().LastError)
	require.NoError(t, s.Close(t.Context()))
}

// TestCloseEnds: with a receiver that never takes anything, closing lasts as long as its context
// and says what is left. A pause of minutes is not waited out.
func TestCloseEnds(t *testing.T) {
	v := newReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return false
	})
	o := v.options(&clock{now: at})
	paused := make(chan struct{}, 1)
	o.Wait = func(ctx context.Context, _ time.Duration) error {
		select {
		case paused <- struct{}{}:
		default:
		}
		<-ctx.Done()
		return ctx.Err()
	}
	s, err := New(o)
	require.NoError(t, err)
	require.NoError(t, s.Send(Opened, some(alert.ShareFull), some(alert.NoWorker)))
	<-paused
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err = s.Close(ctx)
	require.ErrorContains(t, err, "2 notifications were not delivered")
	require.NotContains(t, err.Error(), "canary")
	require.GreaterOrEqual(t, s.Stats().Attempts, int64(2), "it was tried once more")
	require.Error(t, s.Close(t.Context()), "again, at once")
}

func TestUntrustedReceiver(t *testing.T) {
	v := newReceiver(t, nil)
	o := v.options(&clock{now: at})
	o.Roots = x509.NewCertPool()
	o.Wait = wait
	s := start(t, o)
	require.NoError(t, s.Send(Opened, some(alert.ShareFull)))
	require.Eventually(t, func() bool { return s.Stats().LastError != "" }, 10*time.Second, time.Millisecond)
	require.Contains(t, s.Stats().LastError, "certificate")
	require.NotContains(t, s.Stats().LastError, "canary")
	require.Empty(t, v.events)
}

func TestOptionsAreChecked(t *testing.T) {
	good := secret.New(shared)
	for name, o := range map[string]Options{
		"no URL":       {Secret: good},
		"in clear":     {URL: "http://host/canary", Secret: good},
		"no host":      {URL: "https:///canary", Secret: good},
		"a user":       {URL: "https://canary@host/", Secret: good},
		"a fragment":   {URL: "https://host/#canary", Secret: good},
		"malformed":    {URL: "https://host/%zzcanary", Secret: good},
		"long":         {URL: "https://host/" + strings.Repeat("canary", 400), Secret: good},
		"no secret":    {URL: "https://host/"},
		"short secret": {URL: "https://host/", Secret: secret.New("canary")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(o)
			require.ErrorIs(t, err, fault.ConfigInvalid)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestFilesAreRead(t *testing.T) {
	v := newReceiver(t, nil)
	folder := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(text), mode))
		return path
	}
	c := Config{
		URL: v.URL, SecretFile: write("secret", shared+"\n", 0o600),
		CAFile: write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.Certificate().Raw})), 0o644),
	}
	o, err := c.Options(t.Context())
	require.NoError(t, err)
	s := start(t, o)
	require.NoError(t, s.Send(Acknowledged, some(alert.ShareFull)))
	require.NoError(t, s.Close(t.Context()))
	require.Equal(t, Acknowledged, (<-v.got).Event)

	none := c
	none.CAFile = ""
	o, err = none.Options(t.Context())
	require.NoError(t, err)
	require.Nil(t, o.Roots)
	for _, bad := range []Config{
		{SecretFile: filepath.Join(folder, "none")}, {SecretFile: write("open", shared, 0o644)},
		{SecretFile: c.SecretFile, CAFile: filepath.Join(folder, "none")}, {SecretFile: c.SecretFile, CAFile: write("empty.pem", "", 0o644)},
	} {
		_, err := bad.Options(t.Context())
		require.ErrorIs(t, err, fault.ConfigInvalid)
		require.NotContains(t, err.Error(), "canary")
	}
}
