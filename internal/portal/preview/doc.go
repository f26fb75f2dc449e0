// Package preview remembers for a while what the retention of a setting would remove, for the
// person who has asked.
//
// It asks nothing itself. Start reading at [Store].
package preview
