// Command release makes what is published of a version, from what is committed:
//
//	release --version V --out DIR [--arch amd64,arm64] [--sign KEY] [--once]
//
// For each architecture there are an archive and a Debian package with the programs, their
// manual pages, completions for shells, units and documents, and an SBOM; beside them one
// SHA256SUMS, and its signature where a key is given. Everything is built twice, in folders
// and caches of their own, and refused when one byte differs. Nothing is published that was
// not committed, and no time but the commit's is in any file.
//
// Start reading at [release.make].
package main
