// Package provider puts the Backup Resource Provider together, from its configuration: for
// each instance a board and what controls it, the API, the page, who may call, and the
// listener before them.
//
// It decides nothing: each part does what its package says. Start reading at [New].
package provider
