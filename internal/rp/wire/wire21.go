package wire

// What 2021-09-01 spells its own way: blob storage, which is never used here, and the
// Provisioning state of a location.

// LocationBody21 is a location at its version.
type LocationBody21 struct {
	Resource
	Properties struct {
		Provisioning
		Store store21 `json:"externalStoreDefault"`
	} `json:"properties"`
}

type store21 struct {
	store18
	BlobStorageURL *string `json:"blobStorageUrl"` // always null
	BlobStorageKey *string `json:"blobStorageKey"` // always null
}

// Location21 makes the body of a location.
func Location21(r Resource, s Store) any {
	body := LocationBody21{Resource: r}
	body.Properties.ProvisioningState = Succeeded
	body.Properties.Store = store21{store18: newStore18(s)}
	return body
}
