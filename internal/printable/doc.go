// Package printable makes text from outside fit to be shown: names of files, messages
// of servers, arguments. Such text may hold what a terminal obeys (control characters),
// what turns its neighbours round (bidirectional controls, Unicode Technical Report 36
// and UAX #9), what nobody sees (zero-width and other ignorable characters), and bytes
// that are no UTF-8. [Text] shows each of them as its escape; it is the only way of such
// text to a terminal, and [JSON] that of a document. [Clip] keeps a text short, and
// [Line] makes one line of it. The package imports nothing of the product.
package printable
