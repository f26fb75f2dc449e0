package auth

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/secret"
)

const (
	// MaxTokenLifetime is the longest that an API token is good for.
	MaxTokenLifetime = 366 * 24 * time.Hour

	lookEvery  = time.Second          // how often the file is looked at
	lookForNew = 5 * time.Millisecond // the same, when a token is unknown
	flushEvery = time.Minute          // how often the times of use are written
	keepEnded  = 90 * 24 * time.Hour  // how long ended tokens stay in the list at most
)

// Token is what is known of an API token. The token itself is shown once, when it is
// created, and never stored.
type Token struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"` // what it is for
	Role Role   `json:"role"`
	// Owner is the subject of who created it.
	Owner   string    `json:"owner"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	// LastUsed is exact to the minute.
	LastUsed time.Time `json:"lastUsed,omitzero"`
	Revoked  time.Time `json:"revoked,omitzero"`
	// Once lets it begin one session of the page, and do nothing else.
	Once bool `json:"once,omitempty"`
}

// storedToken is a token with the hash that it is recognized by.
type storedToken struct {
	Token
	Hash string `json:"sha256"`
}

// Ended reports whether the token is good for nothing any more.
func (t Token) Ended(now time.Time) bool { return !t.Revoked.IsZero() || !now.Before(t.Expires) }

// end is when the token ends, or has ended.
func (t Token) end() time.Time {
	if !t.Revoked.IsZero() && t.Revoked.Before(t.Expires) {
		return t.Revoked
	}
	return t.Expires
}

// Tokens are the API tokens of a file, which other processes may change as well.
type Tokens struct {
	path     string
	anyOwner bool
	now      func() time.Time
	random   io.Reader

	writing, looking sync.Mutex
	loaded           atomic.Pointer[loadedTokens]
	used             sync.Map // time of the last use by id, to be written
}

// TokensConfig says where tokens are kept.
type TokensConfig struct {
	Path string
	// AnyOwner lets root change the file of the service's account, as the command line does.
	AnyOwner bool
	Now      func() time.Time // time.Now when nil
	Random   io.Reader        // crypto/rand when nil
}

// OpenTokens reads the file of tokens. Without a file there are none; it is created with
// the first. CONFIG_INVALID when it is not private, belongs to another user, or is malformed.
func OpenTokens(ctx context.Context, c TokensConfig) (*Tokens, error) {
	t := &Tokens{path: c.Path, anyOwner: c.AnyOwner, now: c.Now, random: c.Random}
	if t.now == nil {
		t.now = time.Now
	}
	if t.random == nil {
		t.random = rand.Reader
	}
	return t, t.refresh(ctx)
}

// NewToken describes a token to be created.
type NewToken struct {
	Name     string        // what it is for, may be empty
	Role     Role          // what it may do
	Owner    string        // subject of who creates it
	Lifetime time.Duration // at most [MaxTokenLifetime]
	// Once: it begins one session of the page, and does nothing else.
	Once bool
	// OneOfItsName refuses a name that a good token has: [ErrNameTaken].
	OneOfItsName bool
}

// ErrNameTaken says that a token that is good has the name that another one was to get.
var ErrNameTaken = errors.New("a token that is good has this name already")

// Create makes a token and returns its text, which cannot be had again. USAGE when what is
// wanted is malformed, [ErrNameTaken], LIMIT_EXCEEDED when too many are good, else errors of the file.
func (t *Tokens) Create(ctx context.Context, wanted NewToken) (Token, secret.String, error) {
	switch {
	case !wanted.Role.Valid():
		return Token{}, secret.String{}, fault.Usagef("role %s is unknown; the roles are reader, operator and owner", printable.Quote(string(wanted.Role)))
	case wanted.Lifetime < time.Minute || wanted.Lifetime > MaxTokenLifetime:
		return Token{}, secret.String{}, fault.Usagef("a token is good for a minute at least and %d days at most", MaxTokenLifetime/(24*time.Hour))
	case wanted.Owner == "":
		return Token{}, secret.String{}, fault.Usagef("a token needs an owner")
	}
	now := t.now().UTC().Truncate(time.Second)
	created := Token{Name: bounded(wanted.Name, maxName), Role: wanted.Role, Owner: bounded(wanted.Owner, maxSubject), Created: now, Expires: now.Add(wanted.Lifetime), Once: wanted.Once}
	var text string
	err := t.change(ctx, func(byID map[string]storedToken) error {
		maps.DeleteFunc(byID, func(_ string, token storedToken) bool {
			return now.Sub(token.Expires) > keepEnded || !token.Revoked.IsZero() && now.Sub(token.Revoked) > keepEnded
		})
		for _, token := range byID {
			if wanted.OneOfItsName && token.Name == created.Name && !token.Ended(now) {
				return ErrNameTaken
			}
		}
		dropEnded(byID, now)
		if len(byID) >= maxTokens {
			return fault.Newf(fault.LimitExceeded, "there are %d tokens already that are good; revoke one that is not needed", maxTokens)
		}
		var err error
		if created.ID, text, err = newTokenText(t.random); err != nil {
			return fault.New(fault.Internal, "a token cannot be created", err)
		}
		if _, taken := byID[created.ID]; taken {
			return fault.Newf(fault.Internal, "a token cannot be created: its id is taken")
		}
		byID[created.ID] = storedToken{Token: created, Hash: hashOf(text)}
		return nil
	})
	if err != nil {
		return Token{}, secret.String{}, err
	}
	return created, secret.New(text), nil
}

// dropEnded makes place for one more token: those that ended longest ago go. They are kept
// for people to read only, so a full list of them must not keep anybody out.
func dropEnded(byID map[string]storedToken, now time.Time) {
	tooMany := len(byID) - maxTokens + 1
	if tooMany <= 0 {
		return
	}
	ended := slices.DeleteFunc(slices.Collect(maps.Values(byID)), func(token storedToken) bool { return !token.Ended(now) })
	slices.SortFunc(ended, func(a, b storedToken) int {
		return cmp.Or(a.end().Compare(b.end()), cmp.Compare(a.ID, b.ID))
	})
	for _, token := range ended[:min(tooMany, len(ended))] {
		delete(byID, token.ID)
	}
}

func bounded(s string, n int) string { return printable.Clip(printable.Text(strings.TrimSpace(s)), n) }

// List returns all tokens, newest first, with their last use.
func (t *Tokens) List(ctx context.Context) ([]Token, error) {
	if err := t.refresh(ctx); err != nil {
		return nil, err
	}
	all := []Token{}
	for _, stored := range sorted(t.loaded.Load().byID) {
		if used, ok := t.usedAt(stored.ID); ok && used.After(stored.LastUsed) {
			stored.LastUsed = used
		}
		all = append(all, stored.Token)
	}
	return all, nil
}

func sorted(byID map[string]storedToken) []storedToken {
	return slices.SortedFunc(maps.Values(byID), func(a, b storedToken) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
	})
}

// Revoke ends a token at once, in this process; others notice within a second.
// ITEM_NOT_FOUND for an unknown id. A second time changes nothing.
func (t *Tokens) Revoke(ctx context.Context, id string) (Token, error) {
	var revoked Token
	err := t.change(ctx, func(byID map[string]storedToken) error {
		token, known := byID[id]
		if !known {
			return &fault.Fault{Code: fault.ItemNotFound, What: "there is no token " + printable.Quote(id), Advice: "Look at the list of tokens."}
		}
		if token.Revoked.IsZero() {
			token.Revoked = t.now().UTC().Truncate(time.Second)
		}
		byID[id], revoked = token, token.Token
		return nil
	})
	return revoked, err
}

// spend revokes a token that was for once; of several callers one succeeds.
func (t *Tokens) spend(ctx context.Context, id string) error {
	return t.change(ctx, func(byID map[string]storedToken) error {
		token, known := byID[id]
		if !known || token.Ended(t.now()) {
			return unauthorized(CodeInvalidToken, "The API token was used before.", nil)
		}
		token.Revoked = t.now().UTC().Truncate(time.Second)
		token.LastUsed = token.Revoked.Truncate(time.Minute)
		byID[id] = token
		return nil
	})
}

// verify finds the token of a text that was sent.
func (t *Tokens) verify(text string) (Token, error) {
	id, ok := tokenID(text)
	if !ok {
		return Token{}, unauthorized(CodeInvalidToken, "The API token is malformed.", nil)
	}
	loaded := t.current()
	if loaded.err != nil {
		return Token{}, unavailable("API tokens cannot be examined at present.", "Correct the service's token file.", loaded.err)
	}
	token, known := loaded.byID[id]
	if !known { // it may have been made just now
		loaded = t.notOlder(lookForNew)
		token, known = loaded.byID[id]
	}
	fits := subtle.ConstantTimeCompare([]byte(hashOf(text)), []byte(token.Hash)) == 1
	now := t.now()
	switch {
	case !known || !fits:
		return Token{}, unauthorized(CodeInvalidToken, "The API token is unknown.", nil)
	case !token.Revoked.IsZero():
		return Token{}, unauthorized(CodeInvalidToken, "The API token was revoked.", nil)
	case token.Ended(now):
		return Token{}, unauthorized(CodeExpiredToken, "The API token has expired.", nil)
	}
	minute := now.UTC().Truncate(time.Minute)
	if used, ok := t.usedAt(id); !ok || minute.After(used) {
		t.used.Store(id, minute)
	}
	return token.Token, nil
}

// alive reports whether a token that was verified before is still good.
func (t *Tokens) alive(id string) bool {
	loaded := t.current()
	token, known := loaded.byID[id]
	return loaded.err == nil && known && !token.Ended(t.now())
}

func (t *Tokens) usedAt(id string) (time.Time, bool) {
	at, ok := t.used.Load(id)
	if !ok {
		return time.Time{}, false
	}
	return at.(time.Time), true
}

// Flush writes when tokens were last used, if there is something to write.
func (t *Tokens) Flush(ctx context.Context) error {
	newer := map[string]time.Time{}
	t.used.Range(func(id, at any) bool {
		if token, known := t.current().byID[id.(string)]; known && at.(time.Time).After(token.LastUsed) {
			newer[id.(string)] = at.(time.Time)
		} else if !known {
			t.used.Delete(id)
		}
		return true
	})
	if len(newer) == 0 {
		return nil
	}
	return t.change(ctx, func(byID map[string]storedToken) error {
		for id, at := range newer {
			if token, known := byID[id]; known && at.After(token.LastUsed) {
				token.LastUsed = at
				byID[id] = token
			}
		}
		return nil
	})
}

// Run flushes each minute, and once more when ctx ends. Failures are handed to report.
func (t *Tokens) Run(ctx context.Context, report func(error)) {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		last := false
		select {
		case <-ctx.Done():
			last = true
		case <-ticker.C:
		}
		if err := t.Flush(context.WithoutCancel(ctx)); err != nil {
			report(err)
		}
		if last {
			return
		}
	}
}
