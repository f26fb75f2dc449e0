// Package access finds out who gained or lost access between two sides: roles at scopes, and
// permissions of vaults' access policies, of everyone who has them, through whatever groups.
//
// A group passes on what it has to its members when it is a security group (MS-ADTS 2.2.12),
// nested ones to any depth, also when groups contain each other. The primary group of an
// account counts, though it does not list it as a member. Security principals of other domains
// are members like others; what groups they are in over there is not known here. Groups that
// Windows makes up while somebody logs in, such as Authenticated Users, have no members.
//
// Only groups whose members differ, or that hold something of which the holders differ, are
// gone through, and that is bounded. The package knows no part and no catalog. Start reading at
// [Picture], then [Compare].
package access
