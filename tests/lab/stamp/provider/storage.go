package provider

import (
	"regexp"
	"strings"
)

var (
	accountName   = regexp.MustCompile(`^[a-z0-9]{3,24}$`)
	containerName = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9]){2,62}$`)
)

func putAccount(w *Write) *Refusal {
	if !accountName.MatchString(w.Name()) {
		return bad("AccountNameInvalid", "%s is not a valid storage account name. Storage account name must be between 3 and 24 characters in length and use numbers and lower-case letters only.", w.Name())
	}
	if w.Old == nil {
		for _, other := range w.OfType(w.Kind) {
			if same(resourceName(other.ID), w.Name()) {
				return conflict("StorageAccountAlreadyTaken", "The storage account named %s is already taken.", w.Name())
			}
		}
	} else if text(w.Old.Body, "kind") != text(w.Body, "kind") {
		return conflict("StorageAccountTypeConversionNotAllowed", "The kind of storage account %s cannot be changed.", w.Name())
	}
	tier, _, _ := strings.Cut(text(w.Body, "sku.name"), "_")
	set(w.Body, "sku.tier", tier)
	host := func(service string) string {
		return "https://" + w.Name() + "." + service + "." + w.Stamp.Domain() + "/"
	}
	set(w.Body, "properties.primaryEndpoints", Object{"blob": host("blob"), "queue": host("queue"), "table": host("table")})
	set(w.Body, "properties.primaryLocation", w.Stamp.Location())
	set(w.Body, "properties.statusOfPrimary", "available")
	w.keep("properties.creationTime", func() any { return seven(w.Stamp.Now()) })
	fill(w.Body, "properties.supportsHttpsTrafficOnly", true)
	fill(w.Body, "properties.networkAcls", Object{"bypass": "AzureServices", "virtualNetworkRules": []any{}, "ipRules": []any{}, "defaultAction": "Allow"})
	fill(w.Body, "properties.encryption.keySource", "Microsoft.Storage")
	set(w.Body, "properties.encryption.services.blob", Object{"enabled": true, "keyType": "Account", "lastEnabledTime": at(w.Body, "properties.creationTime")})
	return nil
}

// afterAccount makes the services that every account has.
func afterAccount(w *Write) {
	if w.Old != nil || w.Body == nil {
		return
	}
	for _, service := range []string{"blobServices", "queueServices", "tableServices"} {
		id := w.ID + "/" + service + "/default"
		body := Object{"id": id, "name": "default", "type": w.Type + "/" + service, "properties": Object{"cors": Object{"corsRules": []any{}}}}
		if service == "blobServices" {
			body["sku"] = copyOf(w.Body["sku"])
			set(body, "properties.deleteRetentionPolicy", Object{"enabled": false})
		}
		w.Put(id, w.Type+"/"+service, body)
	}
}

func putService(w *Write) *Refusal {
	if w.Name() != "default" {
		return bad("InvalidResourceName", "The service of a storage account is named default, not %s.", w.Name())
	}
	w.keep("sku", nil)
	fill(w.Body, "properties.cors", Object{"corsRules": []any{}})
	return nil
}

func putContainer(w *Write) *Refusal {
	if !containerName.MatchString(w.Name()) {
		return bad("ContainerNameInvalid", "%s is not a valid container name.", w.Name())
	}
	fill(w.Body, "properties.publicAccess", "None")
	set(w.Body, "properties.lastModifiedTime", seven(w.Stamp.Now()))
	set(w.Body, "properties.leaseStatus", "Unlocked")
	set(w.Body, "properties.leaseState", "Available")
	set(w.Body, "properties.hasImmutabilityPolicy", false)
	set(w.Body, "properties.hasLegalHold", false)
	w.Body["etag"] = `"0x8D` + strings.ToUpper(strings.ReplaceAll(w.Stamp.NewGUID(), "-", ""))[:16] + `"`
	return nil
}
