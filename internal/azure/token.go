package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"infrabackup/internal/fault"
)

// renewBefore is how long before its end a token is no longer used.
const renewBefore = 5 * time.Minute

// tokens gets and keeps one token for each audience. A credential object keeps
// tokens of its own, so a token that the stamp refuses is renewed with a new one.
type tokens struct {
	target target
	client *http.Client

	mu         sync.Mutex
	credential azcore.TokenCredential
	held       map[string]azcore.AccessToken
}

// get returns a token that is good for a while. Refused, when not empty, is a token
// that was answered with 401: it is not returned again.
func (t *tokens) get(ctx context.Context, audience, refused string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	held, ok := t.held[audience]
	if ok && held.Token != refused && time.Until(held.ExpiresOn) > renewBefore {
		return held.Token, nil
	}
	if t.credential == nil || (ok && held.Token == refused) {
		credential, err := t.newCredential()
		if err != nil {
			return "", err
		}
		t.credential = credential
	}
	token, err := t.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{audience + "/.default"}})
	if err != nil {
		return "", t.failed(ctx, err)
	}
	t.held[audience] = token
	return token.Token, nil
}

func (t *tokens) newCredential() (azcore.TokenCredential, error) {
	options := clientOptions(t.target, t.client)
	options.Cloud.ActiveDirectoryAuthorityHost = t.target.authority.String() + "/"
	var credential azcore.TokenCredential
	var err error
	if t.target.key != nil {
		credential, err = azidentity.NewClientCertificateCredential(t.target.Tenant, t.target.ClientID, t.target.certificates, t.target.key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true, SendCertificateChain: true})
	} else {
		credential, err = azidentity.NewClientSecretCredential(t.target.Tenant, t.target.ClientID, t.target.ClientSecret.Reveal(),
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	}
	if err != nil {
		return nil, fault.New(fault.ConfigInvalid, "the credential of the source azure cannot be used", err)
	}
	return credential, nil
}

// failed tells a refused credential from an identity provider that does not answer.
func (t *tokens) failed(ctx context.Context, err error) error {
	what := "get a token for client " + t.target.ClientID + " from " + t.target.authority.Host
	var refused *azidentity.AuthenticationFailedError
	if errors.As(err, &refused) && refused.RawResponse != nil {
		status := refused.RawResponse.StatusCode
		if status == http.StatusBadRequest || status == http.StatusUnauthorized || status == http.StatusForbidden {
			return fault.New(fault.SourceAuthFailed, what, fmt.Errorf("answered %d", status))
		}
		return answerFault(what, refused.RawResponse, nil)
	}
	return transportFault(ctx, what, err)
}

// bearer puts the token for its audience on a request, and tries once more with
// another one when the first is refused, since stamps restart and forget.
type bearer struct {
	tokens   *tokens
	audience func(context.Context) (string, error)
}

// Do implements [policy.Policy].
func (b bearer) Do(req *policy.Request) (*http.Response, error) {
	if req.Raw().URL.Scheme != "https" {
		return nil, final{fault.Newf(fault.SourceInvalid, "%s is not https: no token goes there", req.Raw().URL.Host)}
	}
	ctx := req.Raw().Context()
	audience, err := b.audience(ctx)
	if err != nil {
		return nil, final{err}
	}
	refused := ""
	for {
		token, err := b.tokens.get(ctx, audience, refused)
		if err != nil {
			return nil, final{err}
		}
		req.Raw().Header.Set("Authorization", "Bearer "+token)
		resp, err := req.Next()
		if err != nil || resp.StatusCode != http.StatusUnauthorized || refused != "" {
			return resp, err
		}
		refused = token
		if err := errors.Join(resp.Body.Close(), req.RewindBody()); err != nil {
			return nil, err
		}
	}
}

// final is an error that azcore hands on without another try: what is underneath has
// been tried, or trying cannot help.
type final struct{ error }

// NonRetriable marks it for azcore.
func (final) NonRetriable() {}

// Unwrap returns the error.
func (f final) Unwrap() error { return f.error }

// rooted is an audience with another first label of its host: tenants' resource
// manager and vaults of one stamp are named alike.
func rooted(audience, label string) (string, bool) {
	host, path, _ := strings.Cut(strings.TrimPrefix(audience, "https://"), "/")
	_, parent, ok := strings.Cut(host, ".")
	if !ok || !strings.HasPrefix(audience, "https://") {
		return "", false
	}
	audience = "https://" + label + "." + parent
	if path != "" {
		audience += "/" + path
	}
	return audience, true
}
