package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
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

	pace *pacer

	gate       gate // of what follows
	credential azcore.TokenCredential
	held       map[string]azcore.AccessToken
}

// get returns a token that is good for a while. Refused, when not empty, is a token
// that was answered with 401: it is not returned again.
func (t *tokens) get(ctx context.Context, audience, refused string) (string, error) {
	if err := t.gate.enter(ctx); err != nil {
		return "", err
	}
	defer t.gate.leave()
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
	token, err := t.ask(ctx, audience)
	if err != nil {
		return "", err
	}
	t.held[audience] = token
	return token.Token, nil
}

// ask gets a token, and waits as long as the identity provider asks for.
func (t *tokens) ask(ctx context.Context, audience string) (azcore.AccessToken, error) {
	what := "get a token for client " + t.target.ClientID + " from " + t.target.authority.Host
	for {
		ticket, err := t.pace.enter(ctx, what)
		if err != nil {
			return azcore.AccessToken{}, err
		}
		token, err := t.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{audience + "/.default"}})
		if err == nil {
			t.pace.granted(ticket)
			return token, nil
		}
		err = t.failed(ctx, what, err)
		asked, ok := errors.AsType[*waitFor](err)
		if !ok {
			return azcore.AccessToken{}, err
		}
		asked.ticket = ticket
		if err := t.pace.refused(ctx, asked); err != nil {
			return azcore.AccessToken{}, err
		}
	}
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
func (t *tokens) failed(ctx context.Context, what string, err error) error {
	var refused *azidentity.AuthenticationFailedError
	if errors.As(err, &refused) && refused.RawResponse != nil {
		status := refused.RawResponse.StatusCode
		if status == http.StatusBadRequest || status == http.StatusUnauthorized || status == http.StatusForbidden {
			return fault.New(fault.SourceAuthFailed, what, fmt.Errorf("answered %d", status))
		}
		err := answerFault(what, refused.RawResponse, nil)
		if wait, ok := asksToWait(refused.RawResponse); ok {
			return &waitFor{wait: wait, err: err}
		}
		return err
	}
	return transportFault(ctx, what, err)
}

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
