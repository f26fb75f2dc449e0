package blocksum

import (
	"fmt"
	"hash/crc32"
)

// MismatchError tells that a block is not the one that the table is of.
type MismatchError struct {
	// Offset is where the block begins in the file.
	Offset int64
	// Length is how many bytes it should have.
	Length int64
}

// Error implements error.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("the block of %d bytes at %d is another one", e.Length, e.Offset)
}

// Checker compares what is written to it, from the beginning of the file on, with a table.
type Checker struct {
	table *Table
	at    int64
	crc   uint32
}

// NewChecker compares with a table, which may still grow. What is written has to be in the
// table already.
func (t *Table) NewChecker() *Checker { return &Checker{table: t} }

// Write implements [io.Writer]. Its errors are [MismatchError].
func (c *Checker) Write(p []byte) (int, error) {
	taken := 0
	for taken < len(p) {
		begin := c.at - c.at%Size
		want, length, ok := c.table.sum(begin / Size)
		if !ok || c.at == begin+length {
			return taken, &MismatchError{Offset: begin, Length: length} // more than the file has
		}
		n := min(int64(len(p)-taken), begin+length-c.at)
		c.crc = crc32.Update(c.crc, castagnoli, p[taken:taken+int(n)])
		c.at += n
		taken += int(n)
		if c.at == begin+length {
			if c.crc != want {
				return taken, &MismatchError{Offset: begin, Length: length}
			}
			c.crc = 0
		}
	}
	return taken, nil
}

// Complete reports whether all of the file was compared.
func (c *Checker) Complete() bool {
	size, _, ended := c.table.Whole()
	return ended && c.at == size
}
