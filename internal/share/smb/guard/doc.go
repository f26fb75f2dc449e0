// Package guard stands between the SMB library and the network: [Guard] is a net.Conn that
// looks at each frame before either of them gets it. It refuses what would make the library
// trust a server too much or fail (malformed frames, other dialects, guests, plain text,
// answers without a signature), counts the credits, holds requests back until there are
// enough, and tells what the library hides or loses: why a connection was refused, and
// which answer told an error. Package exchange keeps count for it.
//
// It opens no connection, knows neither the library nor what a request is for, and
// changes nothing in a frame; the only message of its own is the interim answer that it
// signs for the library. Whatever a server sends ends the connection at worst. Facts of the
// wire are from MS-SMB2; sections are named where they are used.
//
// Start reading at [Guard], then Guard.inspect in answers.go and inspectRequest in
// requests.go.
package guard
