package vault

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/scan"
	"infrabackup/internal/azure/writer"
	"infrabackup/internal/fault"
)

// managerVersions are api-versions of the resource manager for a vault, newest first.
var managerVersions = []string{"2019-09-01", "2018-02-14", "2016-10-01"}

// plane is the data plane of a vault.
type plane struct {
	client  *azure.Client
	version string
}

// open is the data plane of the want's vault, nil where the vault is not there.
func (r *Restorer) open(ctx context.Context, o object) (*plane, error) {
	key := strings.ToLower(o.Vault)
	r.mu.Lock()
	known := r.known[key]
	r.mu.Unlock()
	if known != nil {
		return known, nil
	}
	uri, err := r.address(ctx, o)
	if uri == "" || err != nil {
		return nil, err
	}
	client, err := r.options.Stamp.Vault(uri)
	if err != nil {
		return nil, writer.Fault(err)
	}
	known = &plane{client: client, version: o.API}
	for _, version := range append([]string{o.API}, dataVersions...) {
		// Whatever is answered, but for a refusal of the version, will do.
		pages := client.List("/secrets", version, url.Values{"maxresults": {"1"}})
		_, err := pages.Next(ctx)
		pages.Close()
		if !errors.Is(err, azure.ErrRefused) && !errors.Is(err, azure.ErrVersionRefused) {
			known.version = version
			break
		}
	}
	r.mu.Lock()
	r.known[key] = known
	r.mu.Unlock()
	return known, nil
}

// address is what the vault's resource says that its address is, "" where there is none. A
// vault of the operator is behind an endpoint of its own, and IDs do not always tell.
func (r *Restorer) address(ctx context.Context, o object) (string, error) {
	managers := []*azure.Client{r.options.Stamp.Tenant(), r.options.Stamp.Admin()}
	if o.Admin {
		managers = managers[1:]
	}
	var denied error
	for _, manager := range managers {
		for _, version := range managerVersions {
			answer, err := manager.Get(ctx, o.Vault, version, nil)
			switch {
			case errors.Is(err, azure.ErrVersionRefused):
				continue
			case errors.Is(err, azure.ErrNotFound), errors.Is(err, azure.ErrNotRegistered):
			case errors.Is(err, azure.ErrForbidden):
				denied = cmp.Or(denied, writer.Fault(err))
			case err != nil:
				return "", writer.Fault(err)
			default:
				uri := jsondoc.Member(jsondoc.Member(gjson.ParseBytes(scan.Trim(answer.Body)), "properties"), "vaultUri").String()
				if uri == "" {
					return "", fault.Newf(fault.TargetFailed, "the vault %s does not say its address", o.Vault)
				}
				return strings.Clone(uri), nil // not with the document that it is a part of
			}
			break
		}
	}
	return "", denied
}

// forget drops the address of a vault that may have gone.
func (r *Restorer) forget(o object) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, strings.ToLower(o.Vault))
}
