package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

// ofServer returns what a server may keep from a backup, tried with as few requests as tell
// it. What an adapter promises of its own, such as which names it refuses, is not among it.
// The names are those of [Cases], of which each tries more.
func ofServer() []Case {
	return []Case{
		{"folders", "Folders are created, described and listed.", serverFolders},
		{"write-read", "A small and a large file read back as they were written.", serverWriteRead},
		{"overwrite", "Writing from the start replaces a longer file.", serverOverwrite},
		{"resume", "Writing can continue at an offset and keeps what is below.", serverResume},
		{"growing", "A file can be written, and read back, while it is still being written.", serverGrowing},
		{"rename", "A rename moves a file and a folder.", serverRename},
		{"rename-keeps", "A rename never replaces what is there.", serverRenameKeeps},
		{"remove", "Files and empty folders can be removed, full ones cannot.", remove},
		{"missing", "What is not there is reported as missing.", serverMissing},
		{"case", "Names keep their upper and lower case, their length and their dots.", serverCase},
		{"space", "The free space on the share can be asked for.", space},
	}
}

func serverFolders(ctx context.Context, store share.Store, folder string) error {
	if err := errors.Join(store.MkdirAll(ctx, folder+"/b"), write(ctx, store, folder+"/a.txt", []byte("abc"))); err != nil {
		return err
	}
	return lists(ctx, store, folder, "a.txt=3 b/")
}

func serverWriteRead(ctx context.Context, store share.Store, folder string) error {
	for i, size := range []int{64<<10 + 1, share.SmallFile + 1} {
		path := fmt.Sprintf("%s/%d.bin", folder, size)
		data := noise(uint64(i), size)
		if err := errors.Join(write(ctx, store, path, data), holds(ctx, store, path, data)); err != nil {
			return err
		}
	}
	return nil
}

func serverOverwrite(ctx context.Context, store share.Store, folder string) error {
	path := folder + "/file"
	data := noise(11, 1200)
	return errors.Join(write(ctx, store, path, noise(10, 30_000)), write(ctx, store, path, data), holds(ctx, store, path, data))
}

func serverResume(ctx context.Context, store share.Store, folder string) error {
	path := folder + "/file"
	data := noise(20, 100_000)
	const from = 70_000
	if err := write(ctx, store, path, data[:from+5]); err != nil {
		return err
	}
	// The source's beginning differs: what is below the offset must not be touched.
	changed := append(noise(21, from), data[from:]...)
	if err := store.Upload(ctx, path, bytes.NewReader(changed), from, int64(len(data)), nil); err != nil {
		return err
	}
	return holds(ctx, store, path, data)
}

func serverGrowing(ctx context.Context, store share.Store, folder string) error {
	return grow(ctx, store, folder+"/file", noise(81, 64<<10), 0)
}

func serverRename(ctx context.Context, store share.Store, folder string) error {
	data := noise(50, 1000)
	if err := errors.Join(
		store.MkdirAll(ctx, folder+"/id"), write(ctx, store, folder+"/id/part", data),
		store.Rename(ctx, folder+"/id/part", folder+"/id/ad.tar.zst.age"),
		store.Rename(ctx, folder+"/id", folder+"/20261122T083000Z_id"),
	); err != nil {
		return err
	}
	return errors.Join(
		lists(ctx, store, folder, "20261122T083000Z_id/"),
		holds(ctx, store, folder+"/20261122T083000Z_id/ad.tar.zst.age", data),
	)
}

func serverRenameKeeps(ctx context.Context, store share.Store, folder string) error {
	one, two := []byte("one"), []byte("two two")
	if err := errors.Join(
		write(ctx, store, folder+"/one", one), store.MkdirAll(ctx, folder+"/full"),
		write(ctx, store, folder+"/full/two", two), store.MkdirAll(ctx, folder+"/empty"),
	); err != nil {
		return err
	}
	for _, pair := range [][2]string{{"one", "full/two"}, {"empty", "full"}} {
		err := store.Rename(ctx, folder+"/"+pair[0], folder+"/"+pair[1])
		if err := wants(err, fault.ShareExists, fs.ErrExist, fmt.Sprintf("renaming %s to %s, which is there", pair[0], pair[1])); err != nil {
			return err
		}
	}
	return errors.Join(lists(ctx, store, folder, "empty/ full/ one=3"), holds(ctx, store, folder+"/full/two", two))
}

func serverMissing(ctx context.Context, store share.Store, folder string) error {
	for _, path := range []string{folder + "/none", folder + "/none/deeper"} {
		_, err := store.Stat(ctx, path)
		if err := wants(err, fault.SharePathNotFound, fs.ErrNotExist, "describing "+path); err != nil {
			return err
		}
		_, err = store.Download(ctx, path, 0, io.Discard)
		if err := wants(err, fault.SharePathNotFound, fs.ErrNotExist, "reading "+path); err != nil {
			return err
		}
	}
	return nil
}

// serverCase uses names as backups have them, and a path that is as long as any.
func serverCase(ctx context.Context, store share.Store, folder string) error {
	const name = "Keyvault.tar.zst.age.0123456789abcdef.A_b-C.part"
	long := strings.Repeat("n", share.MaxPath-len(folder)-1)
	if err := errors.Join(write(ctx, store, folder+"/"+name, nil), write(ctx, store, folder+"/"+long, nil)); err != nil {
		return err
	}
	if err := listsNames(ctx, store, folder, []string{name, long}); err != nil {
		return err
	}
	if err := store.Rename(ctx, folder+"/"+name, folder+"/KEYVAULT.tar.zst.AGE"); err != nil {
		return err
	}
	return listsNames(ctx, store, folder, []string{"KEYVAULT.tar.zst.AGE", long})
}
