package wire

import (
	"strconv"

	"infrabackup/internal/apierror"
	"infrabackup/internal/backup"
)

// DataVersion is what clients see as the version of a backup's data.
var DataVersion = strconv.Itoa(backup.FormatVersion)

// Words of an asynchronous status.
const (
	Accepted  = "Accepted"
	Succeeded = "Succeeded"
	Failed    = "Failed"
	Canceled  = "Canceled"
)

// Names of the provider and its types.
const (
	LocationType = "Microsoft.Backup.Admin/backupLocations"
	BackupType   = LocationType + "/backups"
)

// Resource is what every resource of Azure Resource Manager begins with. It is the same in all
// versions.
type Resource struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Type     string            `json:"type"`
	Location string            `json:"location"`
	Tags     map[string]string `json:"tags"`
}

// List is a collection of resources. There is always one page.
type List struct {
	Value    []any   `json:"value"`
	NextLink *string `json:"nextLink"`
}

// RoleStatus is the state of one service in a backup. It is the same in all versions.
type RoleStatus struct {
	RoleName string `json:"roleName"`
	Status   string `json:"status"`
}

// Store is what versions show of the external store, each in its own words.
type Store struct {
	Path, User           string
	Thumbprint, Capacity *string
	Frequency, Retention int // hours, days
	Scheduled            bool
	Next, Last           *string
}

// Backup is what versions show of a backup, each in its own words.
type Backup struct {
	ID, Status, Elapsed, DeploymentID  string
	Created, Thumbprint                *string
	Roles                              []RoleStatus
	RecoveryReady, Uploaded, Automatic bool
}

// Operation is one line of /operations.
type Operation struct {
	Name    string  `json:"name"`
	Display Display `json:"display"`
}

// Display tells people what an operation is.
type Display struct {
	Provider    string `json:"provider"`
	Resource    string `json:"resource"`
	Operation   string `json:"operation"`
	Description string `json:"description"`
}

// OperationList has no link to a next page.
type OperationList struct {
	Value []Operation `json:"value"`
}

// PruneResult is what pruneExternalStore ends with: a location with nothing but paths.
type PruneResult struct {
	Resource
	Properties PrunePaths `json:"properties"`
}

// PrunePaths are paths that went, or would go.
type PrunePaths struct {
	PathsToDelete []string `json:"pathsToDelete"`
}

// Async is what an Azure-AsyncOperation answers: how far an operation on a location is.
type Async struct {
	Status     string           `json:"status"`
	ID         string           `json:"id"`
	Name       string           `json:"name"`
	Properties any              `json:"properties,omitempty"`
	Error      *apierror.Detail `json:"error,omitempty"`
}

// Provisioning is the state of a resource, or of an operation on it.
type Provisioning struct {
	ProvisioningState string `json:"provisioningState"`
}
