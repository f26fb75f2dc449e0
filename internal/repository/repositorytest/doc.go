// Package repositorytest is what the tests of the packages below repository share: an
// instance on a local folder with a controller that backs up, re-wraps and deletes there
// ([Fixture]), one with backups of known content for replacing keys ([RekeyFixture]), and
// stores that crash, lie, refuse or let somebody else act in between.
//
// It is for tests only, and no test of its own: what it makes is checked by those that use
// it. Start reading at [New] and [NewRekey]; stores.go has the stores.
package repositorytest
