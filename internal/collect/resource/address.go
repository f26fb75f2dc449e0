package resource

import (
	"infrabackup/internal/azure"
	"infrabackup/internal/azure/resourceid"
)

// address names a document of an endpoint.
func address(endpoint azure.Endpoint, id string) string {
	return string(endpoint) + " " + resourceid.Key(id)
}
