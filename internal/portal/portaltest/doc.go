// Package portaltest stands in for what the page is made of: a board with snapshots of every
// state, a control that records what it was asked for, and a session with any role. Tests of
// the page use it, and whoever draws pictures of the page.
//
// Start reading at [Snapshot].
package portaltest
