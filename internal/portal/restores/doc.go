// Package restores is the part of the operators' page that brings backups back: a restore is
// planned, read, agreed to, watched, stopped and taken back.
//
// It keeps to the rules of package portal, whose layout its pages are drawn in and which decides
// who may send which form. Private keys are taken from forms as bytes, handed on and cleared; they
// are on no page and in no address. What people and the share say comes to a page through
// html/template only. Start reading at [View].
package restores
