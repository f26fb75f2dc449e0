package archive

import (
	"encoding/binary"
	"io"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"

	"infrabackup/internal/fault"
)

// The container is Zstandard's seekable format, version 0.1.0 (contrib/seekable_format
// in facebook/zstd): ordinary frames, then a skippable frame with an entry of
// compressed and plain size for each of them and a footer. The entries have no
// checksum: each frame carries the XXH64 that RFC 8878, 3.1.1 gives it.
const (
	// frameSize is how much plain text every frame but the last one holds.
	frameSize = 1 << 20
	// maxFrames bounds a part to 1 TiB of plain text and its index to 8 MiB.
	maxFrames = 1 << 20
	// maxEncodedFrame is the largest frame: RFC 8878 lets a frame be larger than its
	// content by its header, 3 bytes a block of at most 128 KiB, and the checksum.
	maxEncodedFrame = frameSize + 1<<10

	skippableMagic = 0x184D2A5E
	seekableMagic  = 0x8F92EAB1
	skippableHead  = 8 // magic and length of a skippable frame
	seekEntry      = 8 // compressed and plain size
	seekFooter     = 9 // number of frames, descriptor, magic
)

// span is a frame's size, compressed and plain.
type span struct{ encoded, plain uint32 }

// frameWriter cuts what is written to it into frames.
type frameWriter struct {
	w     io.Writer
	enc   *zstd.Encoder
	plain []byte // of the frame that is being filled
	out   []byte // the encoded frame, reused
	spans []span

	sample []byte // of the frame, reused
	total  int64  // plain bytes taken
}

func newFrameWriter(w io.Writer) (*frameWriter, error) {
	enc, err := zstd.NewWriter(nil, encoderOptions()...)
	if err != nil {
		return nil, fault.New(fault.Internal, "create a zstd encoder", err)
	}
	return &frameWriter{
		w: w, enc: enc,
		plain: make([]byte, 0, frameSize),
		out:   make([]byte, 0, maxEncodedFrame),

		sample: make([]byte, 0, samples*sampleSize),
	}, nil
}

// encoderOptions are part of the format's determinism: the same version of the
// program gives the same bytes. The fastest level is chosen because the share, not
// the disk, is what a backup waits for. What does not compress is stored as it is, see
// [frameWriter.compresses].
func encoderOptions() []zstd.EOption {
	return []zstd.EOption{
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithWindowSize(frameSize), // a frame never looks further back
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(true),
	}
}

// Write implements io.Writer.
func (f *frameWriter) Write(p []byte) (int, error) {
	taken := 0
	for len(p) > 0 {
		n := min(frameSize-len(f.plain), len(p))
		f.plain = append(f.plain, p[:n]...)
		p = p[n:]
		taken += n
		f.total += int64(n)
		if len(f.plain) == frameSize {
			if err := f.flush(); err != nil {
				return taken, err
			}
		}
	}
	return taken, nil
}

func (f *frameWriter) flush() error {
	if len(f.plain) == 0 {
		return nil
	}
	if len(f.spans) == maxFrames {
		return fault.Newf(fault.LimitExceeded, "the part has more than %d bytes", int64(maxFrames)*frameSize)
	}
	encoded, err := f.encode()
	f.spans = append(f.spans, span{encoded: uint32(encoded), plain: uint32(len(f.plain))})
	f.plain = f.plain[:0]
	return err
}

// encode writes the frame, and returns its size.
func (f *frameWriter) encode() (int, error) {
	if !f.compresses() {
		return writeRaw(f.w, f.plain)
	}
	f.out = f.enc.EncodeAll(f.plain, f.out[:0])
	return f.w.Write(f.out)
}

// What decides whether a frame is worth compressing: so many pieces of it, taken at even
// distances, and the part of their size that has to be saved.
const (
	samples     = 8
	sampleSize  = 4 << 10
	worthSaving = 32 // one part in so many
)

// compresses looks at a sample of the frame. The encoder would find out by itself, and only
// after it has looked at everything.
func (f *frameWriter) compresses() bool {
	if len(f.plain) < 2*samples*sampleSize {
		return true // the sample would be the work
	}
	f.sample = f.sample[:0]
	for i := range samples {
		at := i * (len(f.plain) / samples)
		f.sample = append(f.sample, f.plain[at:at+sampleSize]...)
	}
	f.out = f.enc.EncodeAll(f.sample, f.out[:0])
	return len(f.out) < len(f.sample)-len(f.sample)/worthSaving
}

// The parts of a frame of raw blocks (RFC 8878, 3.1.1).
const (
	frameMagic = 0xFD2FB528
	// rawDescriptor says that the content's size follows in 4 bytes, that there is one
	// segment of that size, and that the checksum is there (3.1.1.1.1).
	rawDescriptor = 2<<6 | 1<<5 | 1<<2
	maxBlock      = 128 << 10 // 3.1.1.2.4
)

// writeRaw writes a frame that holds its content as it is, from where that lies: a copy of
// the whole frame would cost more than the pieces do. It returns the frame's size.
func writeRaw(w io.Writer, content []byte) (size int, err error) {
	write := func(p []byte) {
		if err == nil {
			var n int
			n, err = w.Write(p)
			size += n
		}
	}
	le := binary.LittleEndian
	head := append(le.AppendUint32(make([]byte, 0, 16), frameMagic), rawDescriptor)
	head = le.AppendUint32(head, uint32(len(content)))
	for rest := content; ; {
		n := min(len(rest), maxBlock)
		last := 0
		if n == len(rest) {
			last = 1
		}
		block := n<<3 | last // type 0: raw
		write(append(head, byte(block), byte(block>>8), byte(block>>16)))
		write(rest[:n])
		if rest, head = rest[n:], head[:0]; last == 1 {
			break
		}
	}
	write(le.AppendUint32(head, uint32(xxhash.Sum64(content))))
	return size, err
}

// Close writes the last frame and the index. It does not close the writer below.
func (f *frameWriter) Close() error {
	if err := f.flush(); err != nil {
		return err
	}
	if err := f.enc.Close(); err != nil {
		return fault.New(fault.Internal, "close the zstd encoder", err)
	}
	_, err := f.w.Write(encodeIndex(f.spans))
	return err
}

func encodeIndex(spans []span) []byte {
	le := binary.LittleEndian
	size := len(spans)*seekEntry + seekFooter
	b := make([]byte, 0, skippableHead+size)
	b = le.AppendUint32(b, skippableMagic)
	b = le.AppendUint32(b, uint32(size))
	for _, s := range spans {
		b = le.AppendUint32(b, s.encoded)
		b = le.AppendUint32(b, s.plain)
	}
	b = le.AppendUint32(b, uint32(len(spans)))
	b = append(b, 0) // descriptor: no checksums
	return le.AppendUint32(b, seekableMagic)
}

// frame is a frame's place in the compressed and in the plain stream.
type frame struct {
	offset, start int64
	span
}

// readIndex reads the index at the end of a part of size bytes, and believes it
// only when it accounts for every byte of the part.
func readIndex(r io.ReaderAt, size int64) ([]frame, error) {
	le := binary.LittleEndian
	var foot [seekFooter]byte
	if size < skippableHead+seekFooter {
		return nil, fault.Newf(fault.BackupDamaged, "the part has %d bytes, too few for its index", size)
	}
	if err := readFull(r, foot[:], size-seekFooter); err != nil {
		return nil, err
	}
	count := int64(le.Uint32(foot[:4]))
	switch {
	case le.Uint32(foot[5:]) != seekableMagic:
		return nil, fault.New(fault.BackupDamaged, "the part does not end with an index of frames", nil)
	case foot[4] != 0:
		return nil, fault.Newf(fault.BackupDamaged, "the part's index has descriptor %#x, format 1 has 0", foot[4])
	case count > maxFrames:
		return nil, fault.Newf(fault.BackupDamaged, "the part's index names %d frames, at most %d are possible", count, maxFrames)
	}
	table := make([]byte, skippableHead+count*seekEntry)
	if int64(len(table))+seekFooter > size {
		return nil, fault.Newf(fault.BackupDamaged, "the part's index names %d frames and does not fit into %d bytes", count, size)
	}
	begin := size - seekFooter - int64(len(table))
	if err := readFull(r, table, begin); err != nil {
		return nil, err
	}
	if le.Uint32(table) != skippableMagic || int64(le.Uint32(table[4:])) != count*seekEntry+seekFooter {
		return nil, fault.New(fault.BackupDamaged, "the part's index has a wrong head", nil)
	}
	frames := make([]frame, count)
	var at frame
	for i := range frames {
		e := table[skippableHead+i*seekEntry:]
		at.span = span{encoded: le.Uint32(e), plain: le.Uint32(e[4:])}
		full := int64(i) < count-1
		if at.encoded == 0 || at.encoded > maxEncodedFrame || at.plain == 0 || at.plain > frameSize || full && at.plain != frameSize {
			return nil, fault.Newf(fault.BackupDamaged, "the part's index gives frame %d impossible sizes (%d, %d)", i, at.encoded, at.plain)
		}
		frames[i] = at
		at.offset += int64(at.encoded)
		at.start += int64(at.plain)
	}
	if at.offset != begin {
		return nil, fault.Newf(fault.BackupDamaged, "the part's frames have %d bytes, its index records %d", begin, at.offset)
	}
	return frames, nil
}

// readFull reads exactly len(p) bytes. A source that ends early is damage; other
// errors of the source are returned as they are.
func readFull(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	switch {
	case n == len(p):
		return nil
	case err == io.EOF || err == io.ErrUnexpectedEOF || err == nil:
		return fault.Newf(fault.BackupDamaged, "the part ends at %d, before %d bytes at %d", offset+int64(n), len(p), offset)
	default:
		return err
	}
}
