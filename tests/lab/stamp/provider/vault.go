package provider

import (
	"regexp"
)

var vaultName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]{2,23}$`)

// putVault holds a vault to what may be said of it and to what cannot be taken back.
// Whether its name is free among the deleted ones the caller has checked.
func putVault(w *Write) *Refusal {
	if !vaultName.MatchString(w.Name()) {
		return bad("VaultNameNotValid", "The vault name '%s' is invalid. A vault's name must be between 3-24 alphanumeric characters and hyphens, and begin with a letter.", w.Name())
	}
	unset(w.Body, "properties.createMode")
	if tenant := text(w.Body, "properties.tenantId"); !w.knownTenant(tenant) {
		return bad("InvalidTenantId", "The tenant ID '%s' of vault %s is not known to this stamp.", tenant, w.Name())
	}
	policies := objects(w.Body, "properties.accessPolicies")
	if at(w.Body, "properties.accessPolicies") == nil {
		return bad("AccessPoliciesMissing", "The parameter accessPolicies of vault %s is missing.", w.Name())
	}
	if refusal := checkPolicies(w, policies); refusal != nil {
		return refusal
	}
	for _, member := range []string{"enableSoftDelete", "enablePurgeProtection"} {
		path := "properties." + member
		was := w.Old != nil && truth(w.Old.Body, path)
		switch {
		case was && at(w.Body, path) == false, member == "enablePurgeProtection" && at(w.Body, path) == false:
			return bad("BadRequest", "The property \"%s\" cannot be set to false. Enabling it is an irreversible action.", member)
		case was:
			set(w.Body, path, true)
		}
	}
	if truth(w.Body, "properties.enablePurgeProtection") && !truth(w.Body, "properties.enableSoftDelete") {
		return bad("BadRequest", "Purge protection needs soft delete: vault %s.", w.Name())
	}
	set(w.Body, "properties.vaultUri", w.Stamp.VaultURL(w.Name())+"/")
	fill(w.Body, "properties.enabledForDeployment", false)
	return nil
}

// checkPolicies holds access policies to the vault's tenant and to one for each client.
func checkPolicies(w *Write, policies []Object) *Refusal {
	if len(policies) > 1024 {
		return bad("AccessPolicyLimitExceeded", "Vault %s has %d access policies, want at most 1024.", w.Name(), len(policies))
	}
	tenant := text(w.Body, "properties.tenantId")
	if tenant == "" && w.Old != nil {
		tenant = text(w.Old.Body, "properties.tenantId")
	}
	for _, p := range policies {
		if !same(text(p, "tenantId"), tenant) {
			return bad("InvalidAccessPolicy", "All identities of vault %s must use its tenant ID, not '%s'.", w.Name(), text(p, "tenantId"))
		}
	}
	return nil
}

// ChangePolicies changes a vault's access policies: add, replace or remove those that
// the body names.
func ChangePolicies(w *Write, how string) *Refusal {
	given := objects(w.Body, "properties.accessPolicies")
	if refusal := checkPolicies(w, given); refusal != nil {
		return refusal
	}
	w.change(w.Old.ID, func(o Object) {
		var out []any
		for _, was := range objects(o, "properties.accessPolicies") {
			p := policyOf(given, was)
			switch {
			case p == nil:
				out = append(out, was)
			case how == "add":
				out = append(out, joined(was, p))
			}
		}
		if how == "replace" {
			for _, p := range given {
				out = append(out, p)
			}
		}
		if how == "add" {
			for _, p := range given {
				if policyOf(objects(o, "properties.accessPolicies"), p) == nil {
					out = append(out, p)
				}
			}
		}
		if out == nil {
			out = []any{}
		}
		set(o, "properties.accessPolicies", out)
	})
	return nil
}

// policyOf finds the policy for the same client.
func policyOf(all []Object, like Object) Object {
	for _, p := range all {
		if same(text(p, "objectId"), text(like, "objectId")) && same(text(p, "applicationId"), text(like, "applicationId")) {
			return p
		}
	}
	return nil
}

// joined gives a policy the permissions of another as well.
func joined(was, more Object) Object {
	out := Copy(was)
	for _, kind := range []string{"keys", "secrets", "certificates", "storage"} {
		list := texts(out, "permissions."+kind)
		seen := map[string]bool{}
		all := []any{}
		for _, p := range append(list, texts(more, "permissions."+kind)...) {
			if !seen[p] {
				seen[p] = true
				all = append(all, p)
			}
		}
		if len(all) > 0 {
			set(out, "permissions."+kind, all)
		}
	}
	return out
}

// putVaultSecret is the resource manager's way to a secret, which stamps do not offer
// for writing.
func putVaultSecret(w *Write) *Refusal {
	return bad("NotSupported", "Secrets of vaults are written through the vault's own address, not as %s.", w.ID)
}
