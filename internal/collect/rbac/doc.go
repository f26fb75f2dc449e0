// Package rbac captures role definitions and role assignments at every scope, on
// both resource managers.
//
// A list of assignments at a subscription has those below it, by the custom of
// stamps, not by Microsoft's definition of 2015-07-01. So they are listed in every
// resource group too, and at resources themselves: at the first 500 that the resource
// manager tracks. How many resources were not asked is a gap, since at those an
// assignment is captured only when a list above names it.
//
// It is a table for package resource. Start reading at [Table].
package rbac
