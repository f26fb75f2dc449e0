// Package account makes a client of a stamp of the configuration of one account: it reads the
// account's secret and the authorities of the stamp from the files that the configuration
// names. Worker and restore have accounts of their own and share this.
//
// It asks the stamp nothing. Start reading at [Open].
package account
