// Package apierror has the errors of the HTTP API in the form of Azure Resource Manager, and
// the table of remedies for callers that have no command line. It turns faults into codes and
// statuses, in one way for requests and in another for operations that were begun. The
// listener and the API both answer with it, and nothing else writes that form.
//
// It decides nothing of what is refused. Start reading at [Error], then [AtRequest] and
// [OfOperation].
package apierror
