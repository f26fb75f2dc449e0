// Package definition reads from API definitions what a client may write: for each
// operation the shape of its body, its success statuses, and whether it is
// long-running.
//
// [Shape.Clean] does with a body what a resource provider does: it refuses wrong types,
// missing members and values outside of an enumeration, drops what is read-only or
// unknown, and gives member names the case of the definition. It knows nothing of
// stamps and resources, and shares no code with package conformance, which holds the
// answers: one mistake must not hide in both. Start reading at [Load].
package definition
