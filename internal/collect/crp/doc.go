// Package crp captures the compute resource provider: virtual machines and their
// extensions, scale sets with extensions and instances, availability sets, images,
// disks and snapshots of tenants; quotas, platform images, extensions and disks of
// the operator. Contents of disks are not the control plane's and are not captured.
//
// It is a table for package resource. The rows' paths are those of Microsoft's
// definitions for Microsoft.Compute and Microsoft.Compute.Admin. Start reading at
// [Table].
package crp
