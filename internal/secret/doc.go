// Package secret holds values that must not be printed: passwords and private
// keys.
//
// A [String] shows itself as [Redacted] in every format verb, in slog and in
// error texts, and refuses to be marshalled. The only way to the value is
// [String.Reveal], which is easy to search for. [Transfer] is the one form that
// may cross a process boundary, inside payloads that a codec encrypts; only the
// Temporal contract uses it. [File] is how files with secrets, and files that decide
// whom or what to believe, are examined and read; [Replace] is how they are written.
package secret
