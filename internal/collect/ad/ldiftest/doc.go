// Package ldiftest reads LDIF for tests. It shares no code with what the product writes,
// so that a mistake there does not cancel itself out.
package ldiftest
