package provider

import (
	"net/http"
	"strings"
)

func putTenantSubscription(w *Write) *Refusal {
	return refuse(http.StatusForbidden, "SubscriptionNotAllowed", "The subscription %s is made by the operator, through Microsoft.Subscriptions.Admin.", w.Name())
}

func removeTenantSubscription(w *Write) *Refusal {
	return refuse(http.StatusForbidden, "SubscriptionNotAllowed", "The subscription %s is deleted by the operator, through Microsoft.Subscriptions.Admin.", w.Name())
}

func putDeployment(w *Write) *Refusal {
	return bad("InvalidTemplate", "Deployment template validation failed: the stand-in runs no templates, and deployment %s would run one.", w.Name())
}

func putLink(w *Write) *Refusal {
	target := text(w.Body, "properties.targetId")
	if found, _ := w.find(target); found == nil {
		return refuse(http.StatusNotFound, "LinkTargetNotFound", "The target '%s' of the link was not found.", target)
	}
	if source := text(w.Body, "properties.sourceId"); source != "" && !same(source, w.Scope) {
		return bad("InvalidResourceLink", "The source '%s' of the link is not the scope '%s' of its ID.", source, w.Scope)
	}
	set(w.Body, "properties.sourceId", w.ID[:len(w.Scope)])
	return nil
}

// putSettings completes the one object of a location's settings.
func putSettings(w *Write) *Refusal {
	w.Body["name"], w.Body["location"] = w.Stamp.Location(), w.Stamp.Location()
	return nil
}

func putQuota(w *Write) *Refusal {
	if at := segment(w.ID, "/locations/"); at != w.Stamp.Location() {
		return bad("LocationNotFound", "There is no location '%s'; the only one is '%s'.", at, w.Stamp.Location())
	}
	w.Body["location"] = w.Stamp.Location()
	switch w.Kind {
	case "microsoft.storage.admin/locations/quotas":
		w.Body["name"] = w.Stamp.Location() + "/" + w.Name()
	case "microsoft.network.admin/locations/quotas":
		w.Body["type"] = "Microsoft.Network.Admin/quotas"
		fill(w.Body, "properties.migrationPhase", "None")
	default:
		w.Body["type"] = "Microsoft.Compute.Admin/quotas"
	}
	return nil
}

func removeQuota(w *Write) *Refusal {
	if users := w.users(w.ID, admin+"plans"); len(users) > 0 {
		return conflict("QuotaInUse", "The quota %s is in use by plan %s.", w.Name(), users[0].ID)
	}
	return nil
}

// putArtifact completes a platform image or extension, whose envelope has no name.
func putArtifact(w *Write) *Refusal {
	if at := segment(w.ID, "/locations/"); at != w.Stamp.Location() {
		return bad("LocationNotFound", "There is no location '%s'; the only one is '%s'.", at, w.Stamp.Location())
	}
	delete(w.Body, "name")
	w.Body["location"] = w.Stamp.Location()
	if strings.HasSuffix(w.Kind, "types/versions") {
		w.Body["type"] = "Microsoft.Compute.Admin/locations/artifactTypes/VMExtension/publishers/types/versions"
		set(w.Body, "properties.publisher", segmentAs(w.ID, "/publishers/"))
	}
	return nil
}

// segmentAs is a segment of an ID with its own case.
func segmentAs(id, marker string) string {
	at := strings.Index(strings.ToLower(id), marker)
	if at < 0 {
		return ""
	}
	value, _, _ := strings.Cut(id[at+len(marker):], "/")
	return value
}
