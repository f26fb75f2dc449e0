package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
)

const (
	// batchSize is where a batch of records ends. One frame then holds about one
	// batch, so a record is found by decoding one or two frames.
	batchSize = frameSize
	// maxRecord bounds one record: collectors and readers hold it in memory.
	maxRecord = 64 << 20
	// maxBatchItems bounds the catalog entries that wait for their batch, and
	// maxBatchLinks the aliases and references in them.
	maxBatchItems = 16 << 10
	// maxSeconds bounds times of files, on both sides of 1970: those beyond become 1970.
	maxSeconds    = 1 << 55
	maxBatchLinks = 16 << 10
	// maxGaps and maxGapBytes bound the gaps that a part lists one by one: they go into
	// the manifest, whose size is bounded.
	maxGaps     = 10_000
	maxGapBytes = 256 << 10
)

// Summary is what a finished part holds.
type Summary struct {
	Items      int64        // items, records that replace an earlier one not counted
	PlainBytes int64        // size of the tar stream before compression
	Gaps       []backup.Gap // bounded: beyond the limit objects are counted by code
}

// Writer writes one part. It implements [collect.Sink]: records of one kind are
// batched into tar entries <kind>/NNNNNN.jsonl of about 1 MiB, files become tar
// entries of their own. The same calls give the same bytes.
//
// References beyond the limits of [backup.Item] are left out and counted in the
// item's ReferencesLeftOut.
//
// A Writer is used from one goroutine. Its first error is final: every later call
// returns it. Memory does not grow with the part, but for 17 bytes a file.
type Writer struct {
	service backup.Service
	catalog func(backup.CatalogEntry) error
	frames  *frameWriter
	tar     *tar.Writer
	paths   pathSet
	batches map[string]int // number of the last batch of each kind

	kind   string // of the batch that is being filled
	batch  bytes.Buffer
	items  []backup.CatalogEntry // of the batch, offsets relative to it
	links  int                   // aliases and references of items
	buffer []byte                // for copying files

	count  int64
	gaps   backup.GapList
	err    error
	closed bool
}

var _ collect.Sink = (*Writer)(nil)

// NewWriter starts a part of service on w. Catalog is called once for each item,
// in the order in which the items lie in the part, when the item's bytes have been
// handed on; its errors end the part.
func NewWriter(w io.Writer, service backup.Service, catalog func(backup.CatalogEntry) error) (*Writer, error) {
	frames, err := newFrameWriter(w)
	if err != nil {
		return nil, err
	}
	return &Writer{
		service: service, catalog: catalog,
		frames: frames, tar: tar.NewWriter(frames),
		paths: pathSet{}, batches: map[string]int{},
		gaps:   backup.GapList{MaxListed: maxGaps, MaxBytes: maxGapBytes},
		buffer: make([]byte, 256<<10),
	}, nil
}

// Record implements [collect.Sink]. The limit of a document is 64 MiB
// (LIMIT_EXCEEDED).
func (w *Writer) Record(item backup.Item, document []byte) error {
	item, err := w.usable(item)
	if err != nil {
		return err
	}
	switch {
	case len(document) > maxRecord:
		return w.fail(fault.Newf(fault.LimitExceeded, "%s %q has %d bytes, at most %d are possible", item.Kind, item.Name, len(document), maxRecord))
	case len(document) == 0 || bytes.IndexByte(document, '\n') >= 0:
		return w.fail(fault.Newf(fault.Internal, "%s %q is not one document without line breaks", item.Kind, item.Name))
	}
	if item.Kind != w.kind || w.batch.Len()+len(document) > batchSize || len(w.items) == maxBatchItems || w.links >= maxBatchLinks {
		if err := w.flushBatch(); err != nil {
			return w.fail(err)
		}
		w.kind = item.Kind
	}
	w.links += len(item.Aliases) + len(item.References)
	w.items = append(w.items, w.entry(item, int64(w.batch.Len()), int64(len(document)), sha256.Sum256(document)))
	if len(document) >= batchSize {
		// It fills its batch alone and needs no copy.
		return w.fail(w.writeBatch(document, []byte{'\n'}))
	}
	w.batch.Write(document)
	w.batch.WriteByte('\n')
	return nil
}

// File implements [collect.Sink]. SOURCE_INVALID when the path is not clean or is
// in the part already, SOURCE_INCOMPLETE when r ends before info.Size; errors of r
// are returned as they are.
func (w *Writer) File(item backup.Item, info collect.FileInfo, r io.Reader) error {
	item, err := w.usable(item)
	if err != nil {
		return err
	}
	if err := checkPath(info.Path); err != nil {
		return w.fail(fault.New(fault.SourceInvalid, "cannot store a file of "+string(w.service), err))
	}
	if info.Size < 0 {
		return w.fail(fault.Newf(fault.Internal, "file %q has size %d", info.Path, info.Size))
	}
	start, err := w.header(info.Path, info.Size, info.Mode, info.ModTime)
	if err != nil {
		return w.fail(err)
	}
	sum := sha256.New()
	n, err := io.CopyBuffer(io.MultiWriter(w.tar, sum), onlyReader{io.LimitReader(r, info.Size)}, w.buffer)
	if err != nil {
		return w.fail(err)
	}
	if n < info.Size {
		return w.fail(fault.Newf(fault.SourceIncomplete, "file %q ended after %d of %d bytes", info.Path, n, info.Size))
	}
	entry := w.entry(item, start, n, [sha256.Size]byte(sum.Sum(nil)))
	entry.Path = info.Path
	return w.fail(w.publish(entry))
}

// Gap implements [collect.Sink]. Beyond 10,000 gaps, or 256 KiB of them, objects
// are only counted by code.
func (w *Writer) Gap(gap backup.Gap) { w.gaps.Add(gap) }

// Close writes what is pending, the end of the archive and the index of frames. It
// does not close the writer below. After an earlier error it returns that error,
// and the part is worthless.
func (w *Writer) Close() (Summary, error) {
	if w.closed && w.err == nil {
		w.err = errClosed
	}
	if w.err != nil {
		return Summary{}, w.err
	}
	w.closed = true
	if err := w.flushBatch(); err != nil {
		return Summary{}, w.fail(err)
	}
	if err := w.tar.Close(); err != nil {
		return Summary{}, w.fail(err)
	}
	if err := w.frames.Close(); err != nil {
		return Summary{}, w.fail(err)
	}
	return Summary{Items: w.count, PlainBytes: w.frames.total, Gaps: w.gaps.All()}, nil
}

var errClosed = errors.New("archive: the part is closed")

func (w *Writer) fail(err error) error {
	if err != nil {
		w.err = err
	}
	return err
}

// usable refuses calls after the end and items that no catalog could name. It
// returns the item with as many references as the catalog takes.
func (w *Writer) usable(item backup.Item) (backup.Item, error) {
	switch {
	case w.err != nil:
		return item, w.err
	case w.closed:
		return item, errClosed
	case !isKind(item.Kind):
		return item, w.fail(fault.Newf(fault.Internal, "%q is not a kind of item", item.Kind))
	case item.ID == "":
		return item, w.fail(fault.Newf(fault.Internal, "%s %q has no id", item.Kind, item.Name))
	}
	item, err := boundLinks(item)
	if err != nil {
		return item, w.fail(err)
	}
	return item, nil
}

func (w *Writer) entry(item backup.Item, offset, length int64, sum [sha256.Size]byte) backup.CatalogEntry {
	return backup.CatalogEntry{
		Service: w.service, Item: item, SHA256: hex.EncodeToString(sum[:]), Offset: offset, Length: length,
	}
}

func (w *Writer) publish(entry backup.CatalogEntry) error {
	if !entry.Supersedes {
		w.count++
	}
	return w.catalog(entry)
}

func (w *Writer) flushBatch() error {
	if w.batch.Len() == 0 {
		return nil
	}
	return w.writeBatch(w.batch.Bytes())
}

// writeBatch writes one tar entry from pieces and publishes the items in it.
func (w *Writer) writeBatch(pieces ...[]byte) error {
	size := 0
	for _, p := range pieces {
		size += len(p)
	}
	w.batches[w.kind]++
	path := fmt.Sprintf("%s/%06d.jsonl", w.kind, w.batches[w.kind])
	start, err := w.header(path, int64(size), 0o600, time.Time{})
	if err != nil {
		return err
	}
	for _, p := range pieces {
		if _, err := w.tar.Write(p); err != nil {
			return err
		}
	}
	for _, entry := range w.items {
		entry.Path = path
		entry.Offset += start
		if err := w.publish(entry); err != nil {
			return err
		}
	}
	w.batch.Reset()
	clear(w.items)
	w.items, w.links = w.items[:0], 0
	return nil
}

// header starts a tar entry and returns the offset of its first byte. USTAR headers
// are used where they suffice and PAX records otherwise; owner and names are empty,
// times are whole seconds.
func (w *Writer) header(path string, size int64, mode fs.FileMode, modTime time.Time) (int64, error) {
	if err := w.paths.add(path); err != nil {
		return 0, err
	}
	h := tar.Header{Typeflag: tar.TypeReg, Name: path, Size: size, Mode: int64(mode.Perm())}
	// Any time that a file system keeps; package time's own limits lie further out.
	if seconds := modTime.Unix(); !modTime.IsZero() && seconds > -maxSeconds && seconds < maxSeconds {
		h.ModTime = time.Unix(seconds, 0).UTC()
	}
	if err := w.tar.WriteHeader(&h); err != nil {
		if _, ok := fault.Of(err); ok {
			return 0, err
		}
		return 0, fmt.Errorf("tar entry %q: %w", path, err)
	}
	return w.frames.total, nil
}

// onlyReader hides other methods of a reader, so that io.CopyBuffer uses its buffer.
type onlyReader struct{ io.Reader }
