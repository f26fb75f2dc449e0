// Package resource captures resources of a stamp from a table: one row for each
// resource type says where its collection lies, which api-versions are known and which
// properties of its documents can never be read. The packages arm, crp, srp, nrp, keyvault
// and rbac are such tables. What documents refer to has a table of its own, in package
// edge, since commands that only read a backup need it too.
//
// # What a capture does
//
//  1. It finds the subscriptions of both resource managers. When the operator's
//     resource manager names user subscriptions that the client cannot see, the
//     capture fails, or names them as gaps when that was configured.
//  2. It reads what the stamp offers to each subscription and chooses an api-version for
//     each row, which is kept with every item. What one is not offered and another is,
//     is asked for all the same.
//  3. Row by row it lists the collections, page by page, and the collections below
//     each resource. Lists are the reading: their elements are whole documents by
//     Microsoft's definitions, and a GET for each resource would cost a stamp with
//     request limits hours.
//  4. It looks again. Resources that the resource manager tracks are compared with
//     its own list of resources, which tells what changed since, costs little, and
//     was not read from the same provider: what is missing, new or changed is read
//     by GET, and types that no row knows are found, whatever they are called.
//     Everything else is listed again and compared. This is repeated until nothing
//     changed, three times at most.
//
// So a list that skipped or repeated something while its pages moved does not go
// unnoticed. What a capture cannot hold is a gap with a name, and a gap says what was
// asked and answered: that something is gone is asked for before it is said.
//
// # No short part looks whole
//
// Whatever an answer names, and every place that has to be asked, is entered in a set of
// what is pending (package pending), and settled by a document that says that it is this,
// by a gap, or by the answer of the place. The end of a capture compares: an entry that is open fails it
// with SOURCE_INCOMPLETE. That is a rule of its own beside the checks that find each
// kind of short answer; tests leave out one check after the other and see that the rule
// finds what it would have found.
//
// That one element cannot be read costs that element: it is tried again, and then it is
// a gap. Lists of a subscription or group that cannot be read fail the service, unless
// their row is optional or the subscription is not registered for the provider.
//
// Two documents of one resource are compared: the fuller one stays, and where that
// cannot be told the resource itself is asked. The endpoint is part of the identity.
//
// # Order and memory
//
// Items come in the order of rows, subscriptions and the stamp's lists, whatever
// answers first: a bounded number of lists is read ahead. What lies below resources
// follows when the rows of a look are read, or 10,000 such collections wait. Memory holds
// the pages that are being read, these collections, resources with contents elsewhere
// until those are read, and for each item some 60 bytes, its compressed ID among them, and
// some 25 for each address in the pending set (package compact). All of that is counted
// ([azure.Memory]), over all services of a stamp: a capture that would need too much fails
// with LIMIT_EXCEEDED.
//
// The package knows no service. Start reading at [Type], then [Collector.Collect]. What a
// resource manager says of itself is remembered by package manager.
package resource
