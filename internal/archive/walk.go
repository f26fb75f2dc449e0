package archive

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"infrabackup/internal/fault"
	"infrabackup/internal/upstream"
)

// Limits bound what is believed of a part that others may have written.
type Limits struct {
	Entries    int64 // most tar entries
	EntryBytes int64 // largest entry
	TotalBytes int64 // largest tar stream; a manifest's PlainBytes makes it exact
}

// DefaultLimits are what a part can have at most: about a million files and 1 TiB.
func DefaultLimits() Limits {
	const tib = int64(maxFrames) * frameSize
	return Limits{Entries: 2 * maxPaths, EntryBytes: tib, TotalBytes: tib}
}

// Entry describes a file in a part.
type Entry struct {
	Path    string // relative and clean
	Size    int64
	Mode    fs.FileMode // permission bits only
	ModTime time.Time   // UTC
}

// maxWindow bounds the decoder's memory. Parts need 1 MiB; 8 MiB is what RFC 8878,
// 3.1.1.1.2 recommends decoders to support.
const maxWindow = 8 << 20

// tarBlock is the unit of a tar stream (POSIX.1-2024, pax, ustar interchange format).
const tarBlock = 512

// Walk reads the zstd stream of a part from its beginning to its end and calls fn
// for every file, in order. Fn may read the file's bytes, or leave them. The
// archive must end as [Writer] ends it: a part that was cut short or has something
// behind it is damaged.
//
// Anything but plain files with clean relative paths is refused with
// BACKUP_DAMAGED, more than limits allow with LIMIT_EXCEEDED; both before fn sees
// the entry. Errors of fn and of r are returned as they are. Memory is bounded
// whatever r holds.
func Walk(r io.Reader, limits Limits, fn func(Entry, io.Reader) error) error {
	src := upstream.NewReader(r)
	dec, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return readFault(src, "open the part's zstd stream", err)
	}
	defer dec.Close()
	plain := &meter{r: dec, left: limits.TotalBytes}
	archive := tar.NewReader(plain)
	end := int64(0) // of the last entry, padding included
	for count := int64(0); ; count++ {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return readFault(src, "read the part's archive", err)
		}
		if count == limits.Entries {
			return fault.Newf(fault.LimitExceeded, "the part has more than %d files", limits.Entries)
		}
		entry, err := checkEntry(h, limits)
		if err != nil {
			return err
		}
		end = plain.n + (entry.Size+tarBlock-1)/tarBlock*tarBlock
		if err := fn(entry, &body{r: archive, src: src, path: entry.Path}); err != nil {
			return err
		}
	}
	if plain.n != end+2*tarBlock {
		return fault.New(fault.BackupDamaged, "the part's archive has no proper end", nil)
	}
	var more [1]byte
	if _, err := io.ReadFull(plain, more[:]); err != io.EOF {
		if err == nil {
			return fault.New(fault.BackupDamaged, "the part goes on behind the end of its archive", nil)
		}
		return readFault(src, "read the end of the part", err)
	}
	return nil
}

// paxAllowed are the PAX records that [Writer] needs. Others could change what an
// entry means: sparse maps, links, character sets.
var paxAllowed = map[string]bool{"path": true, "size": true, "mtime": true}

func checkEntry(h *tar.Header, limits Limits) (Entry, error) {
	if h.Typeflag != tar.TypeReg {
		return Entry{}, fault.Newf(fault.BackupDamaged, "the part holds %q, which is not a plain file (tar type %q)", h.Name, h.Typeflag)
	}
	for key := range h.PAXRecords {
		if !paxAllowed[key] {
			return Entry{}, fault.Newf(fault.BackupDamaged, "%q has the PAX record %q, which no part has", h.Name, key)
		}
	}
	if strings.HasSuffix(h.Name, "/") || h.Linkname != "" {
		return Entry{}, fault.Newf(fault.BackupDamaged, "the part holds %q, which is not a plain file", h.Name)
	}
	if err := checkPath(h.Name); err != nil {
		return Entry{}, fault.New(fault.BackupDamaged, "the part holds a file that could leave its folder", err)
	}
	if h.Size < 0 || h.Size > limits.EntryBytes {
		return Entry{}, fault.Newf(fault.LimitExceeded, "%q has %d bytes, at most %d are allowed", h.Name, h.Size, limits.EntryBytes)
	}
	return Entry{Path: h.Name, Size: h.Size, Mode: fs.FileMode(h.Mode).Perm(), ModTime: h.ModTime.UTC()}, nil
}

// readFault says why reading failed: the source's own error, a fault from above it, or
// damage.
func readFault(src *upstream.Reader, doing string, err error) error {
	if failed := src.Err(); failed != nil {
		return failed
	}
	if _, ok := fault.Of(err); ok {
		return err
	}
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return fault.New(fault.LimitExceeded, "cannot "+doing+": it wants more memory than any part needs", err)
	}
	return fault.New(fault.BackupDamaged, "cannot "+doing, err)
}

// meter counts the plain text and ends a stream that is too long.
type meter struct {
	r    io.Reader
	n    int64
	left int64
}

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 && len(p) > 0 {
		// Only the end may follow: look for it.
		var probe [1]byte
		n, err := io.ReadFull(m.r, probe[:])
		if n > 0 {
			return 0, fault.Newf(fault.LimitExceeded, "the part has more than the %d bytes that are allowed", m.n)
		}
		return 0, err
	}
	n, err := m.r.Read(p[:min(int64(len(p)), m.left)])
	m.n += int64(n)
	m.left -= int64(n)
	return n, err
}

// body reads one file and reports damage as a fault.
type body struct {
	r    io.Reader
	src  *upstream.Reader
	path string
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		err = readFault(b.src, "read "+b.path+" from the part", err)
	}
	return n, err
}
