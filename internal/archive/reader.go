package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"sort"

	"github.com/klauspost/compress/zstd"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// Reader reads single items of a part without reading the rest. It holds one frame
// at a time and is used from one goroutine.
type Reader struct {
	r       io.ReaderAt
	frames  []frame
	dec     *zstd.Decoder
	encoded []byte
	plain   []byte
	current int // index of the frame in plain, -1 for none
}

// NewReader reads the index of a part: r gives the plain zstd stream of size
// bytes. BACKUP_DAMAGED when the index does not account for every byte; errors of r
// are returned as they are.
func NewReader(r io.ReaderAt, size int64) (*Reader, error) {
	frames, err := readIndex(r, size)
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(frameSize), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fault.New(fault.Internal, "create a zstd decoder", err)
	}
	return &Reader{r: r, frames: frames, dec: dec, current: -1}, nil
}

// ReadItem writes the bytes of an item to w and compares their digest with the
// entry's. Only the frames that hold the item are read. BACKUP_DAMAGED when the
// entry points outside the part, a frame does not decode or the digest differs; w
// may have received bytes by then, which are not to be used. Errors of w and of
// the part's source are returned as they are.
func (r *Reader) ReadItem(entry backup.CatalogEntry, w io.Writer) error {
	total := int64(0)
	if n := len(r.frames); n > 0 {
		total = r.frames[n-1].start + int64(r.frames[n-1].plain)
	}
	if entry.Offset < 0 || entry.Length < 0 || entry.Offset > total || entry.Length > total-entry.Offset {
		return fault.Newf(fault.BackupDamaged, "item %q lies at %d+%d, outside its part of %d bytes", entry.ID, entry.Offset, entry.Length, total)
	}
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	at, left := entry.Offset, entry.Length
	i := sort.Search(len(r.frames), func(i int) bool { return r.frames[i].start+int64(r.frames[i].plain) > at })
	for ; left > 0; i++ {
		if err := r.load(i); err != nil {
			return err
		}
		piece := r.plain[at-r.frames[i].start:]
		piece = piece[:min(int64(len(piece)), left)]
		if _, err := out.Write(piece); err != nil {
			return err
		}
		at += int64(len(piece))
		left -= int64(len(piece))
	}
	if hex.EncodeToString(sum.Sum(nil)) != entry.SHA256 {
		return fault.Newf(fault.BackupDamaged, "item %q is not what the catalog records", entry.ID)
	}
	return nil
}

// load decodes frame i into r.plain.
func (r *Reader) load(i int) error {
	if r.current == i {
		return nil
	}
	r.current = -1
	f := r.frames[i]
	if r.encoded == nil {
		r.encoded = make([]byte, maxEncodedFrame)
		r.plain = make([]byte, 0, frameSize+1<<10) // what the decoder wants to have free
	}
	encoded := r.encoded[:f.encoded]
	if err := readFull(r.r, encoded, f.offset); err != nil {
		return err
	}
	plain, err := r.dec.DecodeAll(encoded, r.plain[:0])
	if err != nil {
		return fault.New(fault.BackupDamaged, "a frame of the part does not decode", err)
	}
	if len(plain) != int(f.plain) {
		return fault.Newf(fault.BackupDamaged, "a frame of the part holds %d bytes, its index records %d", len(plain), f.plain)
	}
	r.plain, r.current = plain, i
	return nil
}

// Close frees the decoder. It does not close the source.
func (r *Reader) Close() error {
	r.dec.Close()
	return nil
}
