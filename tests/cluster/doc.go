// Package cluster tests the product on a Temporal cluster as production has one: PostgreSQL,
// client certificates, tokens, and workers on hosts of their own, whose network can be cut.
//
// It holds tests only, and they run in the soak alone: the server takes minutes to build, and
// an outage is as long as one is. A host is a network namespace that a pair of virtual
// interfaces connects to a bridge; the frontend and the share are reached at the bridge's
// address. Start reading at harness_test.go.
package cluster
