// Package planpage shows a plan to those who cannot read its file, a page at a time: what would be
// done to which item and why, what is refused and what is lost. Fields are told by their names;
// neither values nor digests of them are on a page, and a page is bounded in bytes, whatever the
// plan holds.
//
// It reads a plan that is open already, and asks nothing. Start reading at [Of].
package planpage
