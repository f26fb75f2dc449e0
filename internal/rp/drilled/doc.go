// Package drilled answers for the drills below /api/v1: their list, a page at a time, and what one
// certificate says. What differs is told by the names of items, so only to those who may read plans
// of restores.
//
// It is a part of package rp, which knows who calls. Start reading at [Read].
package drilled
