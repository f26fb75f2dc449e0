// Package arm16 is a client of Microsoft.Backup.Admin at 2016-05-01 that was not written here:
// AutoRest's Go generator (@autorest/go 4.0.0-preview.76, --azure-arm) made it of the
// definitions in tests/spec/azurestack-admin/backup/2016-05-01, and gofmt formatted it. It is never
// edited; this file alone is ours. tests/wire drives the product's API with it.
package arm16
