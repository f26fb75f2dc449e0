// Package comparing is the part of the operators' page that compares two backups: they are chosen, the
// key is given, and what differs is read.
//
// It keeps to the rules of package portal, whose layout its pages are drawn in. Private keys are taken
// from forms as bytes, handed on and cleared. What differs comes from backups, and may hold anything:
// it comes to a page through html/template, with what no screen shows made visible. Start reading at
// [View].
package comparing
