// Package sources makes of a configuration what reads its sources: a collector for each
// service, and the client of a stamp. It reads the secrets and certificates from the files
// that the configuration names. A worker and whoever looks at a target share it.
//
// It talks to no source. Start reading at [Collectors].
package sources
