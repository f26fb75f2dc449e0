package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/secret"
)

// Bounds of the file of tokens.
const (
	maxTokens        = 500
	maxTokenFile     = 512 << 10
	tokenFileVersion = 1
)

// tokenFile is the content of the file.
type tokenFile struct {
	Version int           `json:"version"`
	Tokens  []storedToken `json:"tokens"`
}

// parseTokens examines a file's content.
func parseTokens(data []byte) (map[string]storedToken, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var file tokenFile
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("it is not valid JSON of this form: %w", err)
	}
	if decoder.More() {
		return nil, errors.New("something follows the JSON document")
	}
	if file.Version != tokenFileVersion {
		return nil, fmt.Errorf("it has version %d; this program knows %d", file.Version, tokenFileVersion)
	}
	if len(file.Tokens) > maxTokens {
		return nil, fmt.Errorf("it has more than %d tokens", maxTokens)
	}
	byID := make(map[string]storedToken, len(file.Tokens))
	for i, token := range file.Tokens {
		if err := token.check(); err != nil {
			return nil, fmt.Errorf("token %d in it: %w", i+1, err)
		}
		if _, twice := byID[token.ID]; twice {
			return nil, fmt.Errorf("token %d in it: its id appears twice", i+1)
		}
		byID[token.ID] = token
	}
	return byID, nil
}

// check refuses what this program does not write.
func (t storedToken) check() error {
	switch {
	case !validID(t.ID):
		return errors.New("its id is malformed")
	case len(t.Hash) != len(hashOf("")) || strings.Trim(t.Hash, "0123456789abcdef") != "":
		return errors.New("its hash is malformed")
	case !t.Role.Valid():
		return fmt.Errorf("its role is unknown: %s", printable.Quote(string(t.Role)))
	case t.Created.IsZero() || t.Expires.IsZero() || t.Expires.Sub(t.Created) > MaxTokenLifetime:
		return errors.New("its dates are malformed")
	case len(t.Name) > maxName+len("…") || len(t.Owner) > maxSubject+len("…"):
		return errors.New("a name in it is too long")
	}
	return nil
}

// readTokens reads the file; without one there are no tokens, and info is nil.
func (t *Tokens) readTokens(ctx context.Context) (map[string]storedToken, fs.FileInfo, error) {
	data, info, err := secret.File{MaxBytes: maxTokenFile, Private: true, AnyOwner: t.anyOwner}.ReadInfo(ctx, t.path)
	var refusal *secret.Refusal
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return map[string]storedToken{}, nil, nil
	case errors.As(err, &refusal):
		return nil, nil, fault.Newf(fault.ConfigInvalid, "token file %s", refusal)
	case err != nil:
		return nil, nil, fault.New(fault.ConfigInvalid, "the token file cannot be read", err)
	}
	byID, err := parseTokens(data)
	if err != nil {
		return nil, nil, fault.New(fault.ConfigInvalid, "token file "+t.path+" was refused", err)
	}
	return byID, info, nil
}

// change replaces the file by what edit makes of its tokens. Other processes wait
// meanwhile, so that no change is lost.
func (t *Tokens) change(ctx context.Context, edit func(byID map[string]storedToken) error) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	folder := filepath.Dir(t.path)
	unlock, err := lockFolder(ctx, folder)
	if err != nil {
		return fault.New(fault.ConfigInvalid, "token file "+t.path+" cannot be changed", err)
	}
	defer unlock()
	byID, info, err := t.readTokens(ctx)
	if err != nil {
		return err
	}
	if err := edit(byID); err != nil {
		return err
	}
	file := tokenFile{Version: tokenFileVersion, Tokens: sorted(byID)}
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return fault.New(fault.Internal, "tokens cannot be encoded", err)
	}
	if len(data) >= maxTokenFile {
		return fault.Newf(fault.LimitExceeded, "token file %s would have more than %d bytes", t.path, maxTokenFile)
	}
	if info == nil { // a new one belongs to the owner of its folder
		if info, err = os.Stat(folder); err != nil {
			return fault.New(fault.ConfigInvalid, "the folder of the token file cannot be examined", err)
		}
	}
	path := t.path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // what a link points to is replaced, not the link
	}
	if err := secret.Replace(path, info, append(data, '\n')); err != nil {
		return fault.New(fault.ConfigInvalid, "token file "+t.path+" cannot be replaced", err)
	}
	return t.refresh(ctx)
}

// refresh takes over what the file holds.
func (t *Tokens) refresh(ctx context.Context) error {
	byID, info, err := t.readTokens(ctx)
	t.loaded.Store(&loadedTokens{byID: byID, info: info, err: err, looked: t.now()})
	return err
}

// current returns the tokens as the file has them, or had them less than a second ago. A
// file that cannot be read any more lets nobody in: it may have held a revocation.
func (t *Tokens) current() *loadedTokens { return t.notOlder(lookEvery) }

// notOlder is [Tokens.current] for another age.
func (t *Tokens) notOlder(most time.Duration) *loadedTokens {
	loaded := t.loaded.Load()
	now := t.now()
	if age := now.Sub(loaded.looked); age >= 0 && age < most {
		return loaded
	}
	t.looking.Lock()
	defer t.looking.Unlock()
	if again := t.loaded.Load(); again != loaded {
		return again // another request has looked meanwhile
	}
	info, err := os.Stat(t.path)
	if err == nil && loaded.err == nil && same(loaded.info, info) || errors.Is(err, fs.ErrNotExist) && loaded.err == nil && loaded.info == nil {
		next := *loaded
		next.looked = now
		t.loaded.Store(&next)
		return &next
	}
	_ = t.refresh(context.Background()) // a regular file does not let it wait; the error is stored
	return t.loaded.Load()
}

func same(a, b fs.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// loadedTokens is the file as it was read.
type loadedTokens struct {
	byID   map[string]storedToken // never changed
	info   fs.FileInfo
	err    error
	looked time.Time
}
