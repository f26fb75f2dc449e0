package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

// Cases returns the port's promises, the simple ones first.
func Cases() []Case {
	return []Case{
		{"folders", "Folders are created with their parents, described and listed in order.", folders},
		{"write-read", "A file reads back as it was written, whatever its size.", writeRead},
		{"overwrite", "Writing from the start replaces a file, also by a shorter one.", overwrite},
		{"resume", "Writing can continue at an offset and keeps what is below.", resume},
		{"flushed", "Progress is reported in rising offsets, up to the end.", flushed},
		{"growing", "A file can be written, and read back, while it is still being written.", growing},
		{"ranges", "A file can be read from any offset.", ranges},
		{"rename", "A rename moves a file or a whole folder.", rename},
		{"rename-keeps", "A rename never replaces what is there.", renameKeeps},
		{"remove", "Files and empty folders can be removed, full ones cannot.", remove},
		{"missing", "What is not there is reported as missing.", missing},
		{"names", "Names that are not portable are refused before they reach the server.", names},
		{"case", "Names keep their upper and lower case, their length and their dots.", keepsCase},
		{"space", "The free space on the share can be asked for.", space},
		{"caller-errors", "A failing source or target is reported, and the share goes on working.", callerErrors},
		{"cancel", "An ended request reports that, and the share goes on working.", cancelled},
		{"concurrency", "Several files can be written, read and listed at once.", concurrency},
	}
}

// noise is reproducible data that does not compress and differs with seed.
func noise(seed uint64, size int) []byte {
	data := make([]byte, size)
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	_, _ = source.Read(data) // documented never to fail
	return data
}

func write(ctx context.Context, store share.Store, path string, data []byte) error {
	return store.Upload(ctx, path, bytes.NewReader(data), 0, int64(len(data)), nil)
}

// holds checks that the file at path is want, by its description and by reading.
func holds(ctx context.Context, store share.Store, path string, want []byte) error {
	info, err := store.Stat(ctx, path)
	if err != nil {
		return err
	}
	if info.IsDir || info.Size != int64(len(want)) || info.Name != path[strings.LastIndexByte(path, '/')+1:] {
		return broken("%s is described as %+v, want a file of %d bytes", path, info, len(want))
	}
	if info.Modified.IsZero() {
		return broken("%s has no time of modification", path)
	}
	var got bytes.Buffer
	n, err := store.Download(ctx, path, 0, &got)
	if err != nil {
		return err
	}
	if n != int64(got.Len()) {
		return broken("%s: %d bytes reported, %d delivered", path, n, got.Len())
	}
	if !bytes.Equal(got.Bytes(), want) {
		return broken("%s reads back differently: %d bytes, want %d", path, got.Len(), len(want))
	}
	return nil
}

// wants checks that err has the code and, unless kind is nil, is of that kind.
func wants(err error, code fault.Code, kind error, what string) error {
	if err == nil {
		return broken("%s was accepted", what)
	}
	if fault.CodeOf(err) != code {
		return broken("%s failed with %w, want %s", what, err, code)
	}
	if kind != nil && !errors.Is(err, kind) {
		return broken("%s failed with %w, which is not %q", what, err, kind)
	}
	return nil
}

func entries(ctx context.Context, store share.Store, folder string) (string, error) {
	list, err := store.List(ctx, folder)
	if err != nil {
		return "", err
	}
	var out []string
	for _, info := range list {
		if info.IsDir {
			out = append(out, info.Name+"/")
		} else {
			out = append(out, fmt.Sprintf("%s=%d", info.Name, info.Size))
		}
	}
	return strings.Join(out, " "), nil
}

func lists(ctx context.Context, store share.Store, folder, want string) error {
	got, err := entries(ctx, store, folder)
	if err == nil && got != want {
		err = broken("%s lists %q, want %q", folder, got, want)
	}
	return err
}

func folders(ctx context.Context, store share.Store, folder string) error {
	for range 2 { // the second time they exist
		if err := store.MkdirAll(ctx, folder+"/b/deep/deeper"); err != nil {
			return err
		}
	}
	if err := errors.Join(store.MkdirAll(ctx, ""), store.MkdirAll(ctx, folder+"/empty"), write(ctx, store, folder+"/a.txt", []byte("abc"))); err != nil {
		return err
	}
	info, err := store.Stat(ctx, folder+"/b")
	if err != nil {
		return err
	}
	if !info.IsDir || info.Name != "b" {
		return broken("a folder is described as %+v", info)
	}
	if info, err = store.Stat(ctx, ""); err != nil || !info.IsDir {
		return broken("the share's own folder is described as %+v (%w)", info, err)
	}
	if _, err := store.List(ctx, ""); err != nil {
		return err
	}
	if err := wants(store.MkdirAll(ctx, folder+"/a.txt"), fault.ShareExists, fs.ErrExist, "making a folder where a file is"); err != nil {
		return err
	}
	return errors.Join(lists(ctx, store, folder, "a.txt=3 b/ empty/"), lists(ctx, store, folder+"/empty", ""), lists(ctx, store, folder+"/b", "deep/"))
}

func writeRead(ctx context.Context, store share.Store, folder string) error {
	const mib = 1 << 20
	for i, size := range []int{0, 1, 4095, 64 << 10, mib, mib + 1, 5*mib + 12345} {
		path := fmt.Sprintf("%s/%d.bin", folder, size)
		data := noise(uint64(i), size)
		if err := write(ctx, store, path, data); err != nil {
			return err
		}
		if err := holds(ctx, store, path, data); err != nil {
			return err
		}
	}
	return nil
}

func overwrite(ctx context.Context, store share.Store, folder string) error {
	path := folder + "/file"
	for i, size := range []int{300_000, 1200, 2_000_000, 0} {
		data := noise(uint64(10+i), size)
		if err := write(ctx, store, path, data); err != nil {
			return err
		}
		if err := holds(ctx, store, path, data); err != nil {
			return err
		}
	}
	return nil
}

func resume(ctx context.Context, store share.Store, folder string) error {
	path := folder + "/file"
	data := noise(20, 3<<20+77)
	if err := write(ctx, store, path, data[:2<<20]); err != nil {
		return err
	}
	// The source's beginning differs: what is below the offset must not be touched.
	const from = 1<<20 + 5
	changed := append(noise(21, from), data[from:]...)
	if err := store.Upload(ctx, path, bytes.NewReader(changed), from, int64(len(data)), nil); err != nil {
		return err
	}
	if err := holds(ctx, store, path, data); err != nil {
		return err
	}
	// A longer rest of an earlier attempt goes, also with nothing left to write.
	if err := store.Upload(ctx, path, bytes.NewReader(data[:from]), from, from, nil); err != nil {
		return err
	}
	if err := holds(ctx, store, path, data[:from]); err != nil {
		return err
	}
	err := store.Upload(ctx, path, bytes.NewReader(data), from+1, int64(len(data)), nil)
	if err := wants(err, fault.ShareCorrupted, nil, "continuing beyond the end of the file"); err != nil {
		return err
	}
	err = store.Upload(ctx, folder+"/none", bytes.NewReader(data), 1, 2, nil)
	if err := wants(err, fault.SharePathNotFound, fs.ErrNotExist, "continuing a file that is not there"); err != nil {
		return err
	}
	for _, bounds := range [][2]int64{{-1, 5}, {6, 5}, {0, -1}} {
		err := store.Upload(ctx, path, bytes.NewReader(data), bounds[0], bounds[1], nil)
		if err := wants(err, fault.ShareInvalid, nil, fmt.Sprintf("writing from %d to %d", bounds[0], bounds[1])); err != nil {
			return err
		}
	}
	return holds(ctx, store, path, data[:from])
}

func flushed(ctx context.Context, store share.Store, folder string) error {
	data := noise(30, 2<<20+1)
	for _, from := range []int64{0, 1 << 20} {
		var offsets []int64
		err := store.Upload(ctx, folder+"/file", bytes.NewReader(data), from, int64(len(data)), func(offset int64) {
			offsets = append(offsets, offset)
		})
		if err != nil {
			return err
		}
		last := from
		for _, offset := range offsets {
			if offset <= last || offset > int64(len(data)) {
				return broken("flushed offsets %v from %d to %d", offsets, from, len(data))
			}
			last = offset
		}
		if last != int64(len(data)) {
			return broken("flushed offsets %v do not reach the end at %d", offsets, len(data))
		}
	}
	return nil
}

func ranges(ctx context.Context, store share.Store, folder string) error {
	path := folder + "/file"
	data := noise(40, 2<<20+99)
	size := int64(len(data))
	if err := write(ctx, store, path, data); err != nil {
		return err
	}
	for _, offset := range []int64{1, 1 << 20, size - 1, size} {
		var got bytes.Buffer
		if n, err := store.Download(ctx, path, offset, &got); err != nil {
			return err
		} else if n != size-offset || !bytes.Equal(got.Bytes(), data[offset:]) {
			return broken("reading from %d gave %d bytes, want %d", offset, n, size-offset)
		}
	}
	_, err := store.Download(ctx, path, size+1, io.Discard)
	if err := wants(err, fault.ShareCorrupted, nil, "reading from beyond the end"); err != nil {
		return err
	}
	_, err = store.Download(ctx, path, -1, io.Discard)
	if err := wants(err, fault.ShareInvalid, nil, "reading from a negative offset"); err != nil {
		return err
	}
	file, err := store.Open(ctx, path)
	if err != nil {
		return err
	}
	if err := readAt(file, data); err != nil {
		return errors.Join(err, file.Close())
	}
	return file.Close()
}

// readAt holds an open file to the contract of io.ReaderAt.
func readAt(file share.File, data []byte) error {
	size := int64(len(data))
	if file.Size() != size {
		return broken("an open file has %d bytes, want %d", file.Size(), size)
	}
	for _, r := range []struct{ offset, length int64 }{{0, 1}, {size / 2, 70_000}, {size - 10, 10}, {3, size - 3}, {size - 10, 11}, {size, 1}, {size + 5, 4}} {
		buffer := make([]byte, r.length)
		n, err := file.ReadAt(buffer, r.offset)
		want := data[min(r.offset, size):min(r.offset+r.length, size)]
		if n != len(want) || !bytes.Equal(buffer[:n], want) {
			return broken("reading %d bytes at %d gave %d, want %d (%w)", r.length, r.offset, n, len(want), err)
		}
		if int64(n) < r.length && !errors.Is(err, io.EOF) || int64(n) == r.length && err != nil && !errors.Is(err, io.EOF) {
			return broken("reading %d bytes at %d ended with %w", r.length, r.offset, err)
		}
	}
	if _, err := file.ReadAt(make([]byte, 1), -1); err == nil {
		return broken("reading at a negative offset was accepted")
	}
	return nil
}
