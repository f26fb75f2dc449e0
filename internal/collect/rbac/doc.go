// Package rbac captures role definitions and role assignments at every scope, on
// both resource managers.
//
// A list of assignments at a subscription has those below it, by the custom of
// stamps, not by Microsoft's definition of 2015-07-01. So they are listed in every
// resource group too; when that finds one that the subscription's list lacks, this
// stamp keeps another custom, and every resource is asked.
//
// It is a table for package resource. Start reading at [Table].
package rbac
