// Package provider puts the Backup Resource Provider together, from its configuration: for
// each instance a board and what controls it, the API, the page, who may call, and the
// listener before them.
//
// What is done to an instance elsewhere, such as by the command line or by upkeep, shows within
// seconds: each board follows the pulse of its instance.
//
// It decides nothing: each part does what its package says. Start reading at [New].
package provider
