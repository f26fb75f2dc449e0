// Package manager remembers what one resource manager of a stamp says of itself during a
// capture: its subscriptions, what each of them is offered, their resource groups and
// regions, and with which api-version a type is asked for. [Manager.Renew] reads it, and
// reads it again for each further look.
//
// It knows no rows and captures nothing: it says where package resource has to look. What
// it remembers is counted, and every list that it has to read is an entry in the capture's
// pending set.
//
// Start reading at [Manager].
package manager
