package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"infrabackup/internal/backup"
)

// signatureHeader holds the time of the attempt and the signature.
const signatureHeader = "X-Infrabackup-Signature"

// newClient makes a client that follows no redirection: what is signed is for one receiver. There
// is no proxy either.
func newClient(o Options) *http.Client {
	return &http.Client{
		Timeout:       o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: o.Timeout}).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
			TLSHandshakeTimeout:    o.Timeout,
			MaxResponseHeaderBytes: maxHeader,
			IdleConnTimeout:        time.Minute,
			MaxConnsPerHost:        1,
			ForceAttemptHTTP2:      true,
		},
	}
}

// run delivers until the queue is empty and closed, or ctx ends.
func (s *Sender) run(ctx context.Context) {
	defer close(s.done)
	for {
		l, ok, closing := s.pop()
		switch {
		case ok && !s.deliver(ctx, l):
			return // ctx has ended
		case ok:
			continue
		case closing:
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-s.closed:
		case <-s.wake:
		}
	}
}

// deliver tries until the receiver has taken a notification or it is too old. It returns false
// when ctx has ended before that.
func (s *Sender) deliver(ctx context.Context, l letter) bool {
	delay := firstDelay
	for attempt := 1; ; attempt++ {
		asked, err := s.attempt(ctx, l)
		if err == nil {
			s.settle(nil, func(st *Stats) { st.Delivered++ })
			return true
		}
		if ctx.Err() != nil {
			s.mu.Lock()
			s.stats.LastError = "the time was over"
			s.mu.Unlock()
			return false
		}
		if s.options.Now().Sub(l.at) >= MaxAge {
			s.options.Log.Warn("a notification was given up", "id", l.id, "receiver", s.url.Host, "attempts", attempt, "error", err)
			s.settle(err, func(st *Stats) { st.Dropped++ })
			return true
		}
		s.options.Log.Info("a notification was not delivered yet", "id", l.id, "receiver", s.url.Host, "attempt", attempt, "error", err)
		s.mu.Lock()
		s.stats.LastError = err.Error()
		s.mu.Unlock()
		s.pause(ctx, min(max(delay, asked), maxDelay))
		delay = min(2*delay, maxDelay)
	}
}

// settle ends the way of the notification that is being sent.
func (s *Sender) settle(err error, count func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending = false
	s.stats.LastError = ""
	if err != nil {
		s.stats.LastError = err.Error()
	}
	count(&s.stats)
}

// pause waits between attempts. A sender that begins to close does not wait out what it waits
// for, because little time is left to it.
func (s *Sender) pause(ctx context.Context, d time.Duration) {
	select {
	case <-s.closed:
		_ = s.options.Wait(ctx, firstDelay) // how it ended, ctx tells
		return
	default:
	}
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-s.closed:
			stop()
		case <-waiting.Done():
		}
	}()
	_ = s.options.Wait(waiting, d) // what ended it does not matter
}

// attempt sends a notification once. It returns how long the receiver asked to wait.
func (s *Sender) attempt(ctx context.Context, l letter) (time.Duration, error) {
	s.mu.Lock()
	s.stats.Attempts++
	s.mu.Unlock()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url.String(), bytes.NewReader(l.body))
	if err != nil {
		return 0, withoutURL(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "infrabackup")
	request.Header.Set(signatureHeader, s.sign(l.body))
	answer, err := s.client.Do(request)
	if err != nil {
		return 0, withoutURL(err)
	}
	defer func() { _ = answer.Body.Close() }()          // only read
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer) // so that the connection can be used again; it says nothing
	if answer.StatusCode >= 200 && answer.StatusCode <= 299 {
		return 0, nil
	}
	text := fmt.Sprintf("the receiver answered %d", answer.StatusCode)
	if answer.StatusCode >= 300 && answer.StatusCode <= 399 {
		text += ", a redirection, which is not followed"
	}
	seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		seconds = 0
	}
	return time.Duration(min(seconds, int(maxDelay/time.Second))) * time.Second, errors.New(text)
}

// sign makes the header's value for a body that is sent now.
func (s *Sender) sign(body []byte) string {
	at := strconv.FormatInt(s.options.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(s.options.Secret.Reveal()))
	mac.Write([]byte(at + "."))
	mac.Write(body)
	return "t=" + at + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// maxError bounds what is told of a failure: certificates hold names that others chose.
const maxError = 300

// withoutURL takes the address out of an error of the client: its path may hold a token.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	return errors.New(backup.Printable(err.Error(), maxError))
}
