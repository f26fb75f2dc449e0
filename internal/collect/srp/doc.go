// Package srp captures the storage resource provider: storage accounts, their blob,
// queue, table and file services and containers of tenants; quotas, settings,
// acquisitions, services and accounts of the operator.
//
// Contents of accounts are not the control plane's and are not captured. Nor are
// account keys: the provider makes new ones and takes none back.
//
// It is a table for package resource. The rows' paths are those of Microsoft's
// definitions for Microsoft.Storage (2019-06-01) and Microsoft.Storage.Admin
// (2019-08-08-preview). Start reading at [Table].
package srp
