package scan

import (
	"bytes"
	"errors"
	"fmt"
)

// Limits bound one document.
type Limits struct {
	Depth  int // levels of objects and arrays
	Values int // objects, arrays, strings, numbers and literals, names of members left out
	Bytes  int
}

// DefaultLimits are far above what resource managers and vaults have. Resource managers
// take documents of 4 MiB, and the serializers of .NET stop at 64 levels unless told
// otherwise; encoding/json reads 10,000 levels, and common scripting tools 1,000.
var DefaultLimits = Limits{Depth: 900, Values: 1_000_000, Bytes: 16 << 20}

// What is wrong with a document.
var (
	// ErrSyntax is in the chain of errors about the grammar.
	ErrSyntax = errors.New("it is not a JSON document")
	// ErrEnd is in the chain, beside ErrSyntax, when the document ends too early.
	ErrEnd = fmt.Errorf("%w: it ends early", ErrSyntax)
	// ErrLimit is in the chain when a limit is exceeded.
	ErrLimit = errors.New("it exceeds a limit")
	// ErrTwice is in the chain when a member that decides stands there twice: readers
	// differ in which one they take.
	ErrTwice = errors.New("a member appears twice")
	// ErrShape is in the chain when the answer of a list is none.
	ErrShape = errors.New("the answer is no list")
)

// Document checks one document, which may have a byte order mark and blanks around it.
// Errors have one of this package's in their chain.
func Document(document []byte, l Limits) error {
	if len(document) > l.Bytes {
		return fmt.Errorf("%w: it has more than %d bytes", ErrLimit, l.Bytes)
	}
	s := scanner{buf: document, mark: 0, ended: true, limits: l}
	if err := s.skipMark(); err != nil {
		return err
	}
	if err := s.value(true); err != nil {
		return err
	}
	return s.end()
}

// Trim is a document without byte order mark and blanks around it.
func Trim(document []byte) []byte {
	return bytes.Trim(bytes.TrimPrefix(document, byteOrderMark), " \t\r\n")
}

// Exact reports whether a document that [Document] accepts is itself, byte for byte,
// when it is a member of a JSON object on one line: no line breaks, nothing around it.
func Exact(document []byte) bool {
	return bytes.IndexByte(document, '\n') < 0 && bytes.IndexByte(document, '\r') < 0 && len(Trim(document)) == len(document)
}

var byteOrderMark = []byte("\xef\xbb\xbf")
