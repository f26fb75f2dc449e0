// Package shape says what of a resource's document a PUT takes, and compares documents by
// that: what the service sets itself, and what no PUT takes, is left out.
//
// There is one table for each resource provider, made from Microsoft's definitions while the
// program is developed and held to them by a test. The flag readOnly of those definitions is
// not enough: entity tags, states and references back are writable by their letter. What is
// left out besides is in the lists of the test that makes the tables, each with its reason.
//
// A table is text. A name stands for a member whose value is taken as it is; {…} for the
// members of an object, [key]{…} for an array whose elements are told apart by members, [] for
// one where the order counts. Behind a name, - says that the service owns the member, ~ that
// the order of an array does not count, ! that the value is fixed when the resource is made,
// and ^ that a PUT has to carry what is there, since it would be removed otherwise.
//
// The package is pure: it knows no stamp, no backup and no restore. Start reading at [Shape],
// then [Of].
package shape
