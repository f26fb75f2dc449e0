// Package ui is how values are shown to people in text: sizes and times here, tables,
// progress and prompts in the packages below.
//
// They write to the streams that they are given, and every text that comes from outside goes
// through package printable. They decide nothing: which values, where to and whether at all
// is for the commands. Start reading at table.Backup and progress.Run.
package ui
