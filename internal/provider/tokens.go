package provider

import (
	"context"
	"errors"
	"net/http"

	"infrabackup/internal/apierror"
	"infrabackup/internal/auth"
	"infrabackup/internal/fault"
	"infrabackup/internal/rp"
	"infrabackup/internal/secret"
)

// APITokens are API tokens as the API manages them. A name is of one good token only, so that a
// request that is repeated makes no second one.
func APITokens(all *auth.Tokens) rp.Tokens { return apiTokens{all} }

type apiTokens struct{ all *auth.Tokens }

func (t apiTokens) List(ctx context.Context) ([]rp.Token, error) {
	all, err := t.all.List(ctx)
	if err != nil {
		return nil, tokenError(err)
	}
	out := make([]rp.Token, 0, len(all))
	for _, one := range all {
		out = append(out, apiToken(one))
	}
	return out, nil
}

func (t apiTokens) Create(ctx context.Context, wanted rp.NewToken) (rp.Token, secret.String, error) {
	made, text, err := t.all.Create(ctx, auth.NewToken{Name: wanted.Name, Role: auth.Role(wanted.Role), Owner: wanted.By, Lifetime: wanted.Lifetime, OneOfItsName: true})
	return apiToken(made), text, tokenError(err)
}

func (t apiTokens) Revoke(ctx context.Context, id string) (rp.Token, error) {
	ended, err := t.all.Revoke(ctx, id)
	return apiToken(ended), tokenError(err)
}

func apiToken(t auth.Token) rp.Token {
	return rp.Token{ID: t.ID, Name: t.Name, Role: string(t.Role), CreatedBy: t.Owner, Created: t.Created, Expires: t.Expires, LastUsed: t.LastUsed, Revoked: t.Revoked}
}

// tokenError is why something could not be done to tokens, as the API answers it.
func tokenError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, auth.ErrNameTaken):
		return &apierror.Error{Status: http.StatusConflict, Code: "TokenNameTaken", Target: "name", Cause: err,
			Message: "A token that is good has this name already.", Remedy: "Choose another name, or revoke that token first."}
	case errors.Is(err, fault.ItemNotFound):
		return apierror.NotFound("There is no token of that id.")
	case errors.Is(err, fault.LimitExceeded):
		return &apierror.Error{Status: http.StatusConflict, Code: "TooManyTokens", Cause: err,
			Message: "There are as many tokens as can be.", Remedy: "Revoke one that is not needed."}
	}
	return &apierror.Error{Status: http.StatusServiceUnavailable, Code: "TokensUnavailable", RetryAfter: apierror.WaitWhenAway, Cause: err,
		Message: "The API tokens cannot be read or changed at present.", Remedy: "Look into the service's log; the file of tokens is named there."}
}
