// Package roots reads the files with certificates that operators name as the authorities
// of a server, and says what is wrong with one that cannot be used.
package roots
