// Package provider holds what the resource providers of a stamp do with a write: which
// references must exist, what they generate, what they derive in other resources and
// what they refuse.
//
// It knows nothing of HTTP and keeps nothing: package stamp hands it one [Write] at a
// time with a [Store] to look at, and stores what comes out. Rules come from the
// definitions in tests/spec where those say something; refusals carry the codes of
// public Azure, which no definition lists. Start reading at [Put], then at the table of
// kinds in kinds.go.
package provider
