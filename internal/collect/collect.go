package collect

import (
	"context"
	"io"
	"io/fs"
	"time"

	"infrabackup/internal/backup"
)

// Collector captures one service. It may be used for several captures, one at a
// time.
type Collector interface {
	// Service says what it captures.
	Service() backup.Service

	// Check makes sure, without capturing, that the source can be reached and
	// read, and says what is missing. It is cheap: seconds, not minutes. Errors
	// are faults with SOURCE_… codes that name the missing permission.
	Check(ctx context.Context) error

	// Collect streams everything of the service into sink and returns when all of
	// it is there. Memory does not grow with the source. An incomplete read is an
	// error, never a short capture: the caller throws away what sink received.
	// What cannot be captured by its nature is reported with sink.Gap. Errors are
	// faults with SOURCE_… codes; errors of sink are returned as they are. Bytes
	// are kept verbatim. Two captures of an unchanged source give the same calls
	// in the same order.
	Collect(ctx context.Context, sink Sink) (Capture, error)
}

// Capture describes what Collect read.
type Capture struct {
	Start  time.Time         // first read
	End    time.Time         // last read
	Cursor map[string]string // consistency markers: names and values that an operator or a later capture can compare, such as a USN or a lifetime
}

// Sink receives the items of one service, in order, from one goroutine. Its
// errors end the capture.
type Sink interface {
	// Record adds an item whose bytes are one JSON document without line breaks.
	// Records of the same kind are kept together as JSON Lines. The sink copies
	// what it needs.
	Record(item backup.Item, document []byte) error

	// File adds an item that is a file. Exactly info.Size bytes are read from r;
	// fewer is an error.
	File(item backup.Item, info FileInfo, r io.Reader) error

	// Gap notes what could not be captured.
	Gap(gap backup.Gap)
}

// FileInfo describes a file for [Sink.File].
type FileInfo struct {
	// Path is where the file goes in the part: relative, forward slashes, no "."
	// or "..", such as ca/newcerts/1000.pem.
	Path    string
	Size    int64
	Mode    fs.FileMode // permission bits only
	ModTime time.Time   // kept to the second, in UTC
}
