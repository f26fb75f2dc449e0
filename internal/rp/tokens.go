package rp

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"infrabackup/internal/apierror"
	"infrabackup/internal/printable"
	"infrabackup/internal/rp/jsonbody"
	"infrabackup/internal/rp/wire"
	"infrabackup/internal/secret"
)

// Tokens are the API tokens that let callers in. Errors are [apierror.Error].
type Tokens interface {
	// List returns all of them, newest first, also those that have ended lately.
	List(ctx context.Context) ([]Token, error)
	// Create makes one and returns its text, which cannot be had again.
	Create(ctx context.Context, wanted NewToken) (Token, secret.String, error)
	// Revoke ends one at once. A second time changes nothing.
	Revoke(ctx context.Context, id string) (Token, error)
}

// Token is what is known of an API token. Nothing of it lets anybody in.
type Token struct {
	ID, Name, Role    string
	CreatedBy         string // subject of who made it
	Created, Expires  time.Time
	LastUsed, Revoked time.Time // zero when it never was
}

// NewToken describes a token to be made.
type NewToken struct {
	Name, Role string
	By         string // subject of who makes it
	Lifetime   time.Duration
}

// Bounds of tokens that are made through the API.
const (
	maxTokenName      = 64   // bytes
	maxTokenHours     = 8760 // a year
	defaultTokenHours = 2160 // 90 days
)

type v1TokenBody struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	Role      string  `json:"role"`
	CreatedBy string  `json:"createdBy"`
	Created   *string `json:"created"`
	Expires   *string `json:"expires"`
	LastUsed  *string `json:"lastUsed"` // to the minute
	Revoked   *string `json:"revoked"`
}

func tokenBody(t Token) v1TokenBody {
	return v1TokenBody{t.ID, t.Name, t.Role, t.CreatedBy, wire.Date(t.Created), wire.Date(t.Expires), wire.Date(t.LastUsed), wire.Date(t.Revoked)}
}

// v1NewTokenBody is the only answer that has the token itself.
type v1NewTokenBody struct {
	v1TokenBody
	Token string `json:"token"`
}

func (x *exchange) v1Tokens() error {
	all, err := x.h.options.Tokens.List(x.r.Context())
	if err != nil {
		return err
	}
	body := plainList{[]any{}}
	for _, t := range all {
		body.Value = append(body.Value, tokenBody(t))
	}
	return x.answer(http.StatusOK, apierror.MediaType, body)
}

func (x *exchange) v1CreateToken() error {
	wanted, err := x.wantedToken()
	if err != nil {
		return err
	}
	ctx, cancel := x.beginning()
	defer cancel()
	made, text, err := x.h.options.Tokens.Create(ctx, wanted)
	if err != nil {
		return err
	}
	x.caller.NoteObject(made.ID)
	x.w.Header().Set("Cache-Control", "no-store")
	return x.answer(http.StatusCreated, apierror.MediaType, v1NewTokenBody{tokenBody(made), text.Reveal()})
}

// wantedToken reads what token is to be made. Nobody makes one that may do more than they may.
func (x *exchange) wantedToken() (NewToken, error) {
	wanted := NewToken{By: x.by()}
	o, err := x.v1Object(true, "name", "role", "lifetimeHours")
	if err != nil {
		return wanted, err
	}
	if wanted.Name, err = jsonbody.String(o, "name", ""); err != nil {
		return wanted, err
	}
	if wanted.Role, err = jsonbody.String(o, "role", ""); err != nil {
		return wanted, err
	}
	hours, err := jsonbody.Int(o, "lifetimeHours", 1, maxTokenHours)
	if err != nil {
		return wanted, err
	}
	wanted.Lifetime = defaultTokenHours * time.Hour
	if hours != nil {
		wanted.Lifetime = time.Duration(*hours) * time.Hour
	}
	switch {
	case wanted.Name == "":
		return wanted, apierror.Content("name", "is missing")
	case len(wanted.Name) > maxTokenName || wanted.Name != strings.TrimSpace(printable.Text(wanted.Name)):
		return wanted, apierror.Content("name", fmt.Sprintf("is not printable, or has more than %d bytes", maxTokenName))
	case wanted.Role == "":
		return wanted, apierror.Content("role", "is missing")
	}
	known, covered := x.caller.Covers(wanted.Role)
	switch {
	case !known:
		return wanted, apierror.Content("role", "is none of reader, operator and owner")
	case !covered:
		return wanted, &apierror.Error{Status: http.StatusForbidden, Code: "TokenRoleTooHigh", Target: "role",
			Message: "A token cannot have a role above that of who makes it.", Remedy: "Ask for a role that is not above yours."}
	}
	return wanted, nil
}

func (x *exchange) v1RevokeToken() error {
	if err := x.noBody(); err != nil {
		return err
	}
	ctx, cancel := x.beginning()
	defer cancel()
	ended, err := x.h.options.Tokens.Revoke(ctx, x.params.Token)
	if err != nil {
		return err
	}
	x.caller.NoteObject(ended.ID)
	return x.answer(http.StatusOK, apierror.MediaType, tokenBody(ended))
}
