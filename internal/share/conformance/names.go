package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

func rename(ctx context.Context, store share.Store, folder string) error {
	data := noise(50, 100_000)
	if err := errors.Join(
		store.MkdirAll(ctx, folder+"/incoming/id/sub"), store.MkdirAll(ctx, folder+"/backups"),
		write(ctx, store, folder+"/incoming/id/part", data), write(ctx, store, folder+"/incoming/id/sub/x", nil),
	); err != nil {
		return err
	}
	if err := store.Rename(ctx, folder+"/incoming/id/part", folder+"/incoming/id/ad.tar.zst.age"); err != nil {
		return err
	}
	if err := store.Rename(ctx, folder+"/incoming/id", folder+"/backups/20261122T083000Z_id"); err != nil {
		return err
	}
	if err := lists(ctx, store, folder+"/incoming", ""); err != nil {
		return err
	}
	if err := lists(ctx, store, folder+"/backups/20261122T083000Z_id", "ad.tar.zst.age=100000 sub/"); err != nil {
		return err
	}
	if err := holds(ctx, store, folder+"/backups/20261122T083000Z_id/ad.tar.zst.age", data); err != nil {
		return err
	}
	err := store.Rename(ctx, folder+"/incoming/id", folder+"/incoming/other")
	if err := wants(err, fault.SharePathNotFound, fs.ErrNotExist, "renaming what is not there"); err != nil {
		return err
	}
	err = store.Rename(ctx, folder+"/backups/20261122T083000Z_id", folder+"/nowhere/id")
	return wants(err, fault.SharePathNotFound, fs.ErrNotExist, "renaming into a folder that is not there")
}

func renameKeeps(ctx context.Context, store share.Store, folder string) error {
	one, two := []byte("one"), []byte("two two")
	if err := errors.Join(
		write(ctx, store, folder+"/one", one), write(ctx, store, folder+"/two", two),
		store.MkdirAll(ctx, folder+"/full"), write(ctx, store, folder+"/full/one", one), store.MkdirAll(ctx, folder+"/empty"),
	); err != nil {
		return err
	}
	for _, pair := range [][2]string{{"one", "two"}, {"one", "empty"}, {"full", "empty"}, {"empty", "full"}, {"full", "one"}} {
		err := store.Rename(ctx, folder+"/"+pair[0], folder+"/"+pair[1])
		if err := wants(err, fault.ShareExists, fs.ErrExist, fmt.Sprintf("renaming %s to %s, which is there", pair[0], pair[1])); err != nil {
			return err
		}
	}
	return errors.Join(
		holds(ctx, store, folder+"/one", one), holds(ctx, store, folder+"/two", two),
		lists(ctx, store, folder, "empty/ full/ one=3 two=7"), lists(ctx, store, folder+"/full", "one=3"),
	)
}

func remove(ctx context.Context, store share.Store, folder string) error {
	if err := errors.Join(store.MkdirAll(ctx, folder+"/full"), write(ctx, store, folder+"/full/file", []byte("x"))); err != nil {
		return err
	}
	if err := wants(store.Remove(ctx, folder+"/full"), fault.ShareExists, fs.ErrExist, "removing a folder with a file"); err != nil {
		return err
	}
	if err := errors.Join(store.Remove(ctx, folder+"/full/file"), store.Remove(ctx, folder+"/full")); err != nil {
		return err
	}
	if err := wants(store.Remove(ctx, folder+"/full"), fault.SharePathNotFound, fs.ErrNotExist, "removing what is not there"); err != nil {
		return err
	}
	return lists(ctx, store, folder, "")
}

func missing(ctx context.Context, store share.Store, folder string) error {
	if err := write(ctx, store, folder+"/file", []byte("x")); err != nil {
		return err
	}
	for _, path := range []string{folder + "/none", folder + "/none/deeper", folder + "/file/below"} {
		calls := map[string]func() error{
			"Stat":      func() error { _, err := store.Stat(ctx, path); return err },
			"List":      func() error { _, err := store.List(ctx, path); return err },
			"Strangers": func() error { _, err := store.Strangers(ctx, path); return err },
			"Download":  func() error { _, err := store.Download(ctx, path, 0, io.Discard); return err },
			"Open":      func() error { return opens(ctx, store, path) },
			"Remove":    func() error { return store.Remove(ctx, path) },
			"Upload":    func() error { return write(ctx, store, path+"/x", nil) },
		}
		for name, call := range calls {
			if err := wants(call(), fault.SharePathNotFound, fs.ErrNotExist, name+" of "+path); err != nil {
				return err
			}
		}
	}
	// A folder is no file, and a file no folder.
	_, err := store.Download(ctx, folder, 0, io.Discard)
	if err == nil {
		return broken("a folder could be downloaded")
	}
	if err := opens(ctx, store, folder); err == nil {
		return broken("a folder could be opened for reading")
	}
	if err := write(ctx, store, folder, nil); err == nil {
		return broken("a folder could be overwritten by a file")
	}
	if _, err := store.List(ctx, folder+"/file"); err == nil {
		return broken("a file could be listed")
	}
	return nil
}

func opens(ctx context.Context, store share.Store, path string) error {
	file, err := store.Open(ctx, path)
	if err != nil {
		return err
	}
	return file.Close()
}

func names(ctx context.Context, store share.Store, folder string) error {
	good := folder + "/Aa0._-/.hidden..x"
	if err := errors.Join(store.MkdirAll(ctx, folder+"/Aa0._-"), write(ctx, store, good, []byte("x")), holds(ctx, store, good, []byte("x"))); err != nil {
		return err
	}
	long := folder + "/" + strings.Repeat("n", share.MaxPath-len(folder)-1)
	if err := errors.Join(write(ctx, store, long, nil), holds(ctx, store, long, nil)); err != nil {
		return err
	}
	for _, path := range []string{"/x", "x/", "x//y", ".", "..", folder + "/../x", folder + "/./x", `x\y`, "x:stream", "x y", "x*", "CON", "x/nul.txt", "x.", "ä", "x\x00y", long + "n"} {
		calls := map[string]func() error{
			"MkdirAll":    func() error { return store.MkdirAll(ctx, path) },
			"Upload":      func() error { return write(ctx, store, path, nil) },
			"Download":    func() error { _, err := store.Download(ctx, path, 0, io.Discard); return err },
			"Open":        func() error { return opens(ctx, store, path) },
			"Stat":        func() error { _, err := store.Stat(ctx, path); return err },
			"List":        func() error { _, err := store.List(ctx, path); return err },
			"Strangers":   func() error { _, err := store.Strangers(ctx, path); return err },
			"Rename from": func() error { return store.Rename(ctx, path, folder+"/y") },
			"Rename to":   func() error { return store.Rename(ctx, good, path) },
			"Remove":      func() error { return store.Remove(ctx, path) },
		}
		for name, call := range calls {
			if err := wants(call(), fault.ShareInvalid, nil, fmt.Sprintf("%s %q", name, path)); err != nil {
				return err
			}
		}
	}
	for name, call := range map[string]func() error{
		"Upload": func() error { return write(ctx, store, "", nil) }, "Open": func() error { return opens(ctx, store, "") },
		"Remove": func() error { return store.Remove(ctx, "") }, "Rename": func() error { return store.Rename(ctx, "", folder+"/y") },
		"Download": func() error { _, err := store.Download(ctx, "", 0, io.Discard); return err },
	} {
		if err := wants(call(), fault.ShareInvalid, nil, name+" of the share's own folder"); err != nil {
			return err
		}
	}
	return nil
}

func space(ctx context.Context, store share.Store, _ string) error {
	space, err := store.Space(ctx)
	if err != nil {
		return err
	}
	// A share on which the other cases have written is not full, whatever it says.
	if space.Free < 0 || space.Total < space.Free {
		return broken("the free space is %d of %d bytes", space.Free, space.Total)
	}
	return nil
}

// keepsCase uses names as backups have them, and as long.
func keepsCase(ctx context.Context, store share.Store, folder string) error {
	const long = "Keyvault.tar.zst.age.0123456789abcdef.A_b-C.part"
	names := []string{"20261122T083000Z_0A1b", "RECOVERY.txt", "SHA256SUMS.sig", long, "recovery2.TXT"}
	slices.Sort(names)
	for _, name := range names {
		if err := write(ctx, store, folder+"/"+name, nil); err != nil {
			return err
		}
	}
	if err := listsNames(ctx, store, folder, names); err != nil {
		return err
	}
	if err := errors.Join(store.Rename(ctx, folder+"/"+long, folder+"/KeyVault.TAR.zst.age"), store.MkdirAll(ctx, folder+"/Folder.Aa")); err != nil {
		return err
	}
	if err := store.Rename(ctx, folder+"/RECOVERY.txt", folder+"/Folder.Aa/Recovery.TXT"); err != nil {
		return err
	}
	return errors.Join(
		listsNames(ctx, store, folder, []string{"20261122T083000Z_0A1b", "Folder.Aa", "KeyVault.TAR.zst.age", "SHA256SUMS.sig", "recovery2.TXT"}),
		listsNames(ctx, store, folder+"/Folder.Aa", []string{"Recovery.TXT"}),
	)
}

func listsNames(ctx context.Context, store share.Store, folder string, want []string) error {
	list, err := store.List(ctx, folder)
	if err != nil {
		return err
	}
	var got []string
	for _, info := range list {
		got = append(got, info.Name)
	}
	if !slices.Equal(got, want) {
		return fault.Newf(fault.ShareNames, "%s lists the names %q, which were given as %q", folder, got, want)
	}
	return nil
}

var errCaller = errors.New("the caller's own failure")

type failingSource struct{ after int64 }

func (s failingSource) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > s.after {
		return 0, errCaller
	}
	clear(p)
	return len(p), nil
}

type failingTarget struct{}

func (failingTarget) Write([]byte) (int, error) { return 0, errCaller }

func callerErrors(ctx context.Context, store share.Store, folder string) error {
	data := noise(60, 1<<20)
	path := folder + "/file"
	if err := store.Upload(ctx, path, failingSource{after: 1 << 20}, 0, 4<<20, nil); !errors.Is(err, errCaller) {
		return broken("a failing source gave %w", err)
	}
	if err := store.Upload(ctx, path, bytes.NewReader(data), 0, int64(len(data))+1, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		return broken("a source that ends early gave %w", err)
	}
	if err := errors.Join(write(ctx, store, path, data), holds(ctx, store, path, data)); err != nil {
		return err
	}
	if _, err := store.Download(ctx, path, 0, failingTarget{}); !errors.Is(err, errCaller) {
		return broken("a failing target gave %w", err)
	}
	return holds(ctx, store, path, data)
}

// endingSource ends the caller's context in the middle of a transfer.
type endingSource struct {
	io.ReaderAt
	after int64
	end   context.CancelFunc
}

func (s endingSource) ReadAt(p []byte, off int64) (int, error) {
	if off >= s.after {
		s.end()
	}
	return s.ReaderAt.ReadAt(p, off)
}

func cancelled(ctx context.Context, store share.Store, folder string) error {
	data := noise(70, 4<<20)
	path := folder + "/file"
	ended, end := context.WithCancel(ctx)
	defer end()
	err := store.Upload(ended, path, endingSource{bytes.NewReader(data), 1 << 20, end}, 0, int64(len(data)), nil)
	if !errors.Is(err, context.Canceled) {
		return broken("an upload that was cancelled ended with %w", err)
	}
	for name, call := range map[string]func() error{
		"Stat":      func() error { _, err := store.Stat(ended, path); return err },
		"List":      func() error { _, err := store.List(ended, folder); return err },
		"Strangers": func() error { _, err := store.Strangers(ended, folder); return err },
		"MkdirAll":  func() error { return store.MkdirAll(ended, folder+"/new") },
		"Upload":    func() error { return write(ended, store, path, data) },
		"Download":  func() error { _, err := store.Download(ended, path, 0, io.Discard); return err },
		"Rename":    func() error { return store.Rename(ended, path, folder+"/new") },
		"Remove":    func() error { return store.Remove(ended, path) },
		"Open":      func() error { return opens(ended, store, path) },
		"Space":     func() error { _, err := store.Space(ended); return err },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			return broken("%s after its context's end gave %w", name, err)
		}
	}
	return errors.Join(write(ctx, store, path, data), holds(ctx, store, path, data), lists(ctx, store, folder, "file=4194304"))
}

func concurrency(ctx context.Context, store share.Store, folder string) error {
	const writers = 4
	failures := make([]error, 2*writers)
	var group sync.WaitGroup
	for i := range writers {
		path := fmt.Sprintf("%s/%d", folder, i)
		group.Go(func() {
			data := noise(uint64(80+i), 1<<20+i)
			if failures[2*i] = write(ctx, store, path, data); failures[2*i] == nil {
				failures[2*i] = holds(ctx, store, path, data)
			}
		})
		group.Go(func() {
			_, err := store.List(ctx, folder)
			failures[2*i+1] = errors.Join(err, store.MkdirAll(ctx, path+"-folder/same"), store.MkdirAll(ctx, folder+"/same/same"))
		})
	}
	group.Wait()
	return errors.Join(failures...)
}
