// Package dnsrecord reads values of dnsRecord, as the directory keeps records of DNS zones
// (MS-DNSP 2.3.2.2), as far as a restore has to: what a record is compared by, and the names in it,
// which are other ones in another domain.
//
// Values come from outside, and no length in them is believed. It does no I/O, and knows neither
// zones nor what is wanted of them. Start reading at [Parse].
package dnsrecord
