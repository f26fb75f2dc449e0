package resource

import (
	"infrabackup/internal/azure"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/fault"
)

// maxAddress bounds an ID, in bytes. Resource managers take addresses of 2 KiB.
const maxAddress = 8 << 10

// maxName bounds a name that becomes a part of addresses.
const maxName = 1 << 10

func tooLong(text string) error {
	return fault.Newf(fault.LimitExceeded, "an ID or a name has %d bytes, which is too long: %.100q…", len(text), text)
}

// address names a document of an endpoint.
func address(endpoint azure.Endpoint, id string) string {
	return string(endpoint) + " " + resourceid.Key(id)
}
