// Package apierror has the errors of the HTTP API in the form of Azure Resource Manager, and
// the table of remedies for callers that have no command line. It turns faults into codes and
// statuses, in one way for requests and in another for operations that were begun. Start
// reading at [Error], then [AtRequest] and [OfOperation].
package apierror
