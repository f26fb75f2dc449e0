// Package quota bounds how many streams the page lets one person keep open, and all of them.
//
// Start reading at [Streams].
package quota
