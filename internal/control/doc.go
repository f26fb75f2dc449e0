// Package control is the one front door to an instance: it starts, watches and
// stops workflows over a Temporal client, and turns what comes back into the
// product's own words and faults. The command line, and later the API and the portal,
// use nothing else.
//
// It touches neither the share nor a source. Start reading at [Controller].
package control
