// Package assets serves the files of the operators' page that are no pages: styles, scripts and the
// icon, each under an address that changes with its content. README.md tells where those of others
// are from. Start reading at [Serve].
package assets
