// Package quota bounds what the page lets one person ask of what stands behind it: questions
// about operations, which start workflows, and streams, which stay open.
//
// Start reading at [Operations].
package quota
