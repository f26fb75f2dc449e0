package stamp

import (
	"net"
	"net/http"
	"strings"

	"infrabackup/tests/lab/stamp/inventory"
)

// serve answers a request: observers, faults before, the answer itself, faults after.
func (s *Stamp) serve(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
	s.watch.tell(r)
	s.linger(r)
	noted := s.note(r)
	a, cut := s.beyond(r), false
	if a == nil {
		a, cut = s.before(r)
	}
	if a == nil {
		if cut {
			noted(nil, true)
			panic(http.ErrAbortHandler)
		}
		a = s.route(r)
		cut = s.after(r, a)
		if !cut && len(s.faults.strike(r, LostAnswer)) > 0 {
			noted(a, true)
			panic(http.ErrAbortHandler)
		}
	}
	noted(a, cut)
	a.send(w, r, cut)
}

// hostOf is a request's host in lower case without the port.
func hostOf(r *http.Request) string {
	host := strings.ToLower(r.Host)
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// door finds out which of the stamp's hosts a request is for: an endpoint, or the
// vault's name, or "adfs", or nothing.
func (s *Stamp) door(r *http.Request) (endpoint inventory.Endpoint, vault string, adfs bool) {
	label, ok := strings.CutSuffix(hostOf(r), "."+s.domain)
	if !ok {
		return "", "", false
	}
	switch label {
	case "management":
		return inventory.Tenant, "", false
	case "adminmanagement":
		return inventory.Admin, "", false
	case "adfs":
		return "", "", true
	}
	if vault, ok := strings.CutSuffix(label, ".vault"); ok {
		return audienceVault, vault, false
	}
	return "", "", false
}

func (s *Stamp) route(r *http.Request) *answer {
	endpoint, vault, adfs := s.door(r)
	switch {
	case adfs:
		return s.authority(r)
	case endpoint == audienceVault:
		return s.vaults.serve(r, vault)
	case endpoint != "":
		return s.arm(r, endpoint)
	}
	return fail(http.StatusNotFound, "NotFound", "No service answers at "+r.Host+".")
}

// access says what a request wants to do, and over which scope.
func (s *Stamp) access(r *http.Request) (Access, string) {
	endpoint, vault, _ := s.door(r)
	a := Access{Endpoint: endpoint, Host: hostOf(r), Method: r.Method, Path: r.URL.Path}
	if endpoint == audienceVault {
		kind, operation := vaultOperation(r.Method, r.URL.Path)
		a.Action = kind + "/" + operation
		return a, vault
	}
	p := parsePath(r.URL.Path)
	name := p.typ
	if row := s.types.rows[p.typ]; row != nil {
		name = row.name
	}
	switch name {
	case "Microsoft.Resources/resourceGroups", "Microsoft.Resources/resources", "Microsoft.Resources/providers":
		if p.sub != "" {
			name = strings.Replace(name, "/", "/subscriptions/", 1)
		}
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		a.Action = name + "/read"
	case http.MethodDelete:
		a.Action = name + "/delete"
	case http.MethodPost:
		a.Action = name + "/action"
	default:
		a.Action = name + "/write"
	}
	scope := p.path
	if p.collection {
		scope = p.parent
		if p.level == 1 {
			scope = p.scope
		}
	}
	return a, scope
}

// bearer is the token of a request, "" when it has none.
func bearer(r *http.Request) string {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(value)
}

// whoIs finds the client behind a request's token for an audience. Without one the
// code and message say why.
func (s *Stamp) whoIs(r *http.Request, audience string) (client *Client, code, message string) {
	value := bearer(r)
	if value == "" {
		return nil, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
	}
	t, ok := s.identity.lookup(value)
	switch {
	case !ok:
		return nil, "InvalidAuthenticationToken", "The access token is invalid."
	case t.audience != audience:
		return nil, "InvalidAuthenticationTokenAudience", "The access token has been obtained for wrong audience or resource '" + t.audience + "'. It should exactly match (including forward slash) with one of the allowed audiences '" + audience + "'."
	case !s.now().Before(t.expires):
		return nil, "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time."
	}
	if client = s.identity.client(t.client); client == nil {
		return nil, "InvalidAuthenticationToken", "The client of the access token is not known."
	}
	return client, "", ""
}
