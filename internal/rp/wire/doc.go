// Package wire has the bodies of Microsoft.Backup.Admin as each api-version spells them, and
// how times, durations and sizes are written in them. It decides nothing: values come in as
// [Store] and [Backup], and no secret has a place in either. Start reading at wire.go.
package wire
