package rp

import (
	"net/http"
	"regexp"
	"strings"

	"infrabackup/internal/apierror"
)

// What a client reads before it finds a provider: where to log in, and which subscriptions and
// regions there are.

var dateVersion = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}(-[a-z]+)?$`)

// metadataVersions are those whose shape is answered.
var metadataVersions = []string{"2015-01-01", "1.0"}

type metadataBody struct {
	GalleryEndpoint string                 `json:"galleryEndpoint"`
	GraphEndpoint   string                 `json:"graphEndpoint"`
	PortalEndpoint  string                 `json:"portalEndpoint"`
	Authentication  metadataAuthentication `json:"authentication"`
}

type metadataAuthentication struct {
	LoginEndpoint string   `json:"loginEndpoint"`
	Audiences     []string `json:"audiences"`
}

func (x *exchange) metadata() error {
	version, _ := queryValue(x.r.URL.Query(), "api-version")
	for _, v := range metadataVersions {
		if v == version {
			m := x.h.options.Metadata
			return x.answer(http.StatusOK, apierror.MediaType, metadataBody{m.Gallery, m.Graph, m.Portal, metadataAuthentication{m.Login, append([]string{}, m.Audiences...)}})
		}
	}
	return badVersion(version, strings.Join(metadataVersions, ","))
}

func badVersion(given, names string) *apierror.Error {
	if given == "" {
		return apierror.BadValue("MissingApiVersionParameter", "api-version", "The api-version query parameter (?api-version=) is required for all requests.", "Add one of "+names+".")
	}
	return apierror.BadValue("InvalidApiVersionParameter", "api-version", "The api-version "+apierror.Quoted(given)+" is invalid. The supported versions are '"+names+"'.", "Use one of them.")
}

// anyVersion takes every api-version, since these answers have had the members that are given
// here from the first one on.
func (x *exchange) anyVersion() error {
	version, _ := queryValue(x.r.URL.Query(), "api-version")
	if !dateVersion.MatchString(version) {
		return badVersion(version, "2016-06-01")
	}
	return nil
}

type subscriptionBody struct {
	ID                  string `json:"id"`
	SubscriptionID      string `json:"subscriptionId"`
	DisplayName         string `json:"displayName"`
	State               string `json:"state"`
	TenantID            string `json:"tenantId,omitempty"`
	AuthorizationSource string `json:"authorizationSource"`
}

func (x *exchange) subscription(id string) subscriptionBody {
	return subscriptionBody{ID: "/subscriptions/" + id, SubscriptionID: id, DisplayName: "Infrastructure backup", State: "Enabled", TenantID: x.h.options.Metadata.TenantID, AuthorizationSource: "RoleBased"}
}

// plainList has no link where there is no next page.
type plainList struct {
	Value []any `json:"value"`
}

func (x *exchange) listSubscriptions() error {
	if err := x.anyVersion(); err != nil {
		return err
	}
	return x.answer(http.StatusOK, apierror.MediaType, plainList{[]any{x.subscription(x.h.options.SubscriptionID)}})
}

func (x *exchange) getSubscription() error {
	if err := x.anyVersion(); err != nil {
		return err
	}
	return x.answer(http.StatusOK, apierror.MediaType, x.subscription(x.params.Subscription))
}

type regionBody struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
}

func (x *exchange) listRegions() error {
	if err := x.anyVersion(); err != nil {
		return err
	}
	body := plainList{[]any{}}
	for _, key := range sortedKeys(x.h.locations) {
		name := x.h.locations[key].name
		body.Value = append(body.Value, regionBody{"/subscriptions/" + x.params.Subscription + "/locations/" + name, name, name})
	}
	return x.answer(http.StatusOK, apierror.MediaType, body)
}
