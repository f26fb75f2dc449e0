package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
)

// maxTarget bounds the address of a request: servers take less.
const maxTarget = 64 << 10

// brief is a path for messages.
func brief(path string) string { return printable.Clip(path, maxWords) }

// request is what is sent, as often as it takes.
type request struct {
	method, target, what string
	anonymous            bool // without a token
	write                *write
}

// reply is a successful answer whose body is to be read.
type reply struct {
	what   string
	status int
	header http.Header
	size   int64 // of the body, -1 when unknown
	body   *body
}

// date is the stamp's clock, zero when it did not say.
func (r *reply) date() time.Time {
	date, err := http.ParseTime(r.header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return date
}

// do sends a request and has read read the answer. It tries again what passes: faults of
// the network, bodies that are cut short, errors of servers, and answers that are not
// what was asked for, a few times within a minute or so; and for hours what the stamp
// asks to wait for. Read is called again for each answer.
func (c *Client) do(ctx context.Context, r request, read func(*reply) error) error {
	delay := c.stamp.target.RetryDelay
	trial := trial{target: r.target}
	for tries := 0; ; {
		err := c.once(ctx, r, read)
		var asked *waitFor
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", r.what, ctx.Err())
		case errors.Is(err, errAhead):
			select { // it is read again when it is used
			case <-turnOf(ctx).comes():
			case <-ctx.Done():
				return fmt.Errorf("%s: %w", r.what, ctx.Err())
			}
		case errors.As(err, &asked):
			if asked.local && trial.refusals >= maxLocal {
				c.askOther(ctx, r)
			}
			asked.trial = &trial
			if err := c.pace.refused(ctx, asked); err != nil {
				return err
			}
			if err := c.pace.clock.Sleep(ctx, asked.own); err != nil {
				return fmt.Errorf("%s: %w", r.what, err)
			}
		case tries >= triesOf(err), r.write != nil:
			return err
		default:
			tries++
			if err := sleep(ctx, delay+rand.N(delay/4+1)); err != nil {
				return fmt.Errorf("%s: %w", r.what, err)
			}
			delay = min(2*delay, maxRetryDelay)
		}
	}
}

// askOther asks the host for what it gave before, so that the pacer knows whether it
// answers anything while one address asks to wait. Often nothing else is asked then: what
// comes behind it waits.
func (c *Client) askOther(ctx context.Context, r request) {
	other := c.given.Load()
	if other == nil || *other == r.target {
		return
	}
	// A success counts; whatever else comes says nothing.
	_ = c.once(ctx, request{method: http.MethodGet, target: *other, what: r.what}, func(*reply) error { return nil })
}

// comes is closed when the turn comes.
func (t *Turn) comes() <-chan struct{} {
	if t == nil {
		done := make(chan struct{})
		close(done)
		return done
	}
	return t.came
}

// passing reports whether a fault may be over when the request is sent again.
func passing(err error) bool { return triesOf(err) > 0 }

// triesOf is how often a request is sent again after a fault. An answer that is not what
// was asked for seldom gets better, and there may be thousands.
func triesOf(err error) int {
	if _, ok := errors.AsType[*tried](err); ok {
		return 0
	}
	if errors.Is(err, ErrAnswer) {
		return 1
	}
	switch fault.CodeOf(err) {
	case fault.SourceUnreachable, fault.SourceIncomplete, fault.SourceFailed:
		return maxRetries
	}
	return 0
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// once sends a request once, or a second time when its token is refused, since stamps
// restart and forget.
func (c *Client) once(ctx context.Context, r request, read func(*reply) error) error {
	refused := ""
	for {
		token := ""
		if !r.anonymous {
			audience, err := c.audience(ctx)
			if err != nil {
				return final(err)
			}
			if token, err = c.stamp.tokens.get(ctx, audience, refused); err != nil {
				return final(err)
			}
		}
		ticket, err := c.pace.enter(ctx, r.what)
		if err != nil {
			return err
		}
		resp, body, err := c.exchange(ctx, r, token)
		if err != nil {
			return err
		}
		if resp.StatusCode == http.StatusUnauthorized && token != "" && refused == "" {
			refused = token
			body.close()
			continue
		}
		return c.answered(ctx, r, resp, body, ticket, read)
	}
}

// exchange sends a request and gives the answer with its body, which the caller closes.
func (c *Client) exchange(ctx context.Context, r request, token string) (*http.Response, *body, error) {
	if len(r.target) > maxTarget {
		return nil, nil, fault.Newf(fault.SourceInvalid, "%s: the address has more than %d bytes", r.what, maxTarget)
	}
	inner, cancel := context.WithCancel(ctx)
	b := &body{ctx: ctx, cancel: cancel, what: r.what, timeout: c.stamp.target.TryTimeout}
	b.timer = time.AfterFunc(b.timeout, func() { b.late.Store(true); cancel() })
	req, err := http.NewRequestWithContext(inner, r.method, r.target, r.write.reader())
	if err != nil {
		b.close()
		return nil, nil, fault.New(fault.SourceInvalid, r.what, errors.New("the address cannot be sent"))
	}
	req.Header.Set("Accept", "application/json")
	if r.write != nil {
		req.Header.Set("Content-Type", "application/json")
		maps.Copy(req.Header, r.write.header)
	}
	if token != "" {
		if req.URL.Scheme != "https" {
			b.close()
			return nil, nil, fault.Newf(fault.SourceInvalid, "%s is not https: no token goes there", req.URL.Host)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.stamp.http.Do(req)
	if err != nil {
		b.close()
		return nil, nil, b.fault(err)
	}
	b.from = resp.Body
	return resp, b, nil
}

// answered decides about an answer. The body is closed unless read keeps it.
func (c *Client) answered(ctx context.Context, r request, resp *http.Response, b *body, ticket ticket, read func(*reply) error) (err error) {
	defer func() {
		if !b.kept {
			b.close()
		}
	}()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent && (r.write == nil || resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusAccepted) {
		said, readErr := io.ReadAll(io.LimitReader(b, maxRefusalBytes))
		if readErr != nil && ctx.Err() != nil {
			return readErr
		}
		err := answerFault(r.what, resp, said) // what came of the words is enough
		if wait, ok := asksToWait(resp); ok {
			return &waitFor{ticket: ticket, wait: wait, local: resp.StatusCode != http.StatusTooManyRequests, err: err}
		}
		return err
	}
	c.pace.granted(ticket)
	if r.method == http.MethodGet && !r.anonymous {
		c.given.Store(&r.target)
	}
	if turn := turnOf(ctx); turn != nil {
		b.turn, b.budget = turn, &c.stamp.ahead
	}
	return read(&reply{what: r.what, status: resp.StatusCode, header: resp.Header, size: resp.ContentLength, body: b})
}

// final keeps do from trying again: what is underneath has been tried already.
func final(err error) error { return &tried{err} }

type tried struct{ error }

func (t *tried) Unwrap() error { return t.error }
