// Package upstream keeps two failures apart that decoders report alike: the source of
// what is decoded broke, or its content is wrong. A broken connection must not be taken
// for a damaged backup.
//
// It knows no format and makes no faults. Start reading at [Reader].
package upstream
