package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const mib = 1 << 20

// measureBlob compares on one file of incompressible bytes.
func (b *bench) measureBlob(ctx context.Context, sizeMiB int) error {
	dir := filepath.Join(b.dir, "data")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file := filepath.Join(dir, "blob")
	if err := writeRandom(file, int64(sizeMiB)*mib); err != nil {
		return err
	}
	bytes := int64(sizeMiB) * mib
	_, err := b.compare(ctx, fmt.Sprintf("One incompressible file of %d MiB", sizeMiB), bytes, []contender{
		b.product(file).withCPU(18 * float64(sizeMiB) / 2048),
		b.upload(file),
		b.shell("smbclient put, encrypted session", "smbclient", fmt.Sprintf(`%s -c 'put %s peer'`, smbclient, file)).atMost(3.5),
		b.shell("age then smbclient put -, without read-back", "age", fmt.Sprintf(`age -r "$RECIPIENT" < %s | %s -c 'put - peer'`, file, smbclient)).atMost(1.7),
		b.shell("rclone crypt over smb", "rclone", fmt.Sprintf(`rclone copyto %s crypt:peer`, file)),
		b.shell("restic over rclone", "restic", fmt.Sprintf(`restic -q init && restic -q backup %s`, file)).atMost(0.5),
	})
	if err != nil {
		return err
	}
	if err := b.profile(ctx, file); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// measureItems compares on many small files.
func (b *bench) measureItems(ctx context.Context, n int) error {
	dir := filepath.Join(b.dir, "items")
	if err := writeItems(dir, n); err != nil {
		return err
	}
	_, err := b.compare(ctx, fmt.Sprintf("%d files of 2 KiB", n), int64(n)*itemSize, []contender{
		b.product(dir),
		b.shell("tar, age, smbclient put -, without read-back", "age", fmt.Sprintf(`tar c -C %s . | age -r "$RECIPIENT" | %s -c 'put - peer'`, dir, smbclient)),
		b.shell("restic over rclone", "restic", fmt.Sprintf(`restic -q init && restic -q backup %s`, dir)),
	})
	return err
}

const itemSize = 2 << 10

// writeItems makes n files in folders of a hundred.
func writeItems(dir string, n int) error {
	for i := range n {
		file := itemPath(dir, i)
		if i%100 == 0 {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				return err
			}
		}
		if err := writeRandom(file, itemSize); err != nil {
			return err
		}
	}
	return nil
}

func itemPath(dir string, i int) string {
	return filepath.Join(dir, fmt.Sprintf("%03d", i/100), fmt.Sprintf("%06d", i))
}

func writeRandom(file string, size int64) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(f, rand.Reader, size); err != nil {
		return err
	}
	return f.Close()
}
