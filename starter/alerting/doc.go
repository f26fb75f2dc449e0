// Package alerting has the commands around alerts: what is wrong with an instance, what to do, and
// that an operator knows of it.
//
// It parses flags and prints; packages board and alert decide what is wrong, package control keeps
// what was acknowledged. Start reading at [Commands].
package alerting
