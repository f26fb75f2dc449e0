// Package authority compares the files of a certification authority by what they say:
// certificates by their DER, the database as a set of rows, revocation lists by whom they
// revoke, and counters, which may only go up.
//
// A counter that went up does not count: every certificate and every revocation list moves it.
// One that went back counts and is dangerous, since the authority would give a serial number a
// second time; so here, and only here, a comparison from the other side finds something else.
// Private keys are the same or changed, and contents of other files are not shown.
//
// It knows no part and no catalog, and reads no directory: AD CS objects are for package
// directory. Start reading at [Compare].
package authority
