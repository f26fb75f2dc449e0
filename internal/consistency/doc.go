// Package consistency checks whether what the items of a backup refer to is in the
// backup: role assignments and their principals, network interfaces and their subnets.
//
// A [Checker] reads the catalog entries of all services, once in any case and the
// services that matter up to twice more, because references point forward as well as
// back. It remembers what is referred to, not what there is: a directory has millions
// of objects and a cloud refers to a few of them. So memory grows with the number of
// different targets, at about 25 bytes each, up to a limit beyond which references
// count as unchecked.
//
// Nothing is invented: only a reference into a service that is in the backup can
// dangle, and only the last record of an item counts, for what it refers to as well as
// for the names under which it can be found.
//
// It does no I/O, and knows neither the share nor Temporal nor what a relation means.
// Start reading at [Checker].
package consistency
