// Package restores is what the contract of package flow says of the restores that lie beside the
// backups: what a caller who cannot reach the share asks of them, and what a worker answers.
//
// It has no behavior but the check of what was asked. Start reading at [Input].
package restores
