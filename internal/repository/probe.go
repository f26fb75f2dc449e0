package repository

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
)

// probeRenamed ends the name of a probe in incoming/ that was renamed.
const probeRenamed = "-renamed"

// probeFile and probeFinal are as long as the longest names of a backup's files, and have
// upper and lower case, several dots and a dash at the end, as those do or may.
const (
	probeFile  = "Keyvault.tar.zst.age.0123456789abcdef.A_b-C.part"
	probeFinal = "KEYVAULT.tar.zst.AGE.0123456789ABCDEF.a_B-c.par-"
)

// probeSize is large enough to be refused by a share that is really full.
const probeSize = 256 << 10

// prober tries out what a share takes.
type prober struct{ files *folder.Folder }

// Probe proves with a folder and a file that the caller may do everything that a backup
// needs: make folders, write, flush, list, read back, rename files and folders, and
// delete; and that the share keeps names as they are given (SHARE_NAMES when it does
// not). It leaves nothing behind but the instance's folders. Token is part of the
// folder's name: a probe that is repeated after a crash clears away its own leftovers,
// and [Repository.Begin] those of other backups.
func (r prober) Probe(ctx context.Context, token string) error {
	if err := r.files.MakeIncoming(ctx); err != nil {
		return err
	}
	if err := r.files.MkdirAll(ctx, r.files.At(backup.BackupsDir)); err != nil {
		return err
	}
	first := r.files.At(backup.IncomingDir, folder.ProbePrefix+token)
	second := first + probeRenamed
	err := r.probe(ctx, first, second)
	if errors.Is(err, fs.ErrExist) { // what a probe has left that was ended
		if err := r.clearProbe(ctx, first, second); err != nil {
			return err
		}
		err = r.probe(ctx, first, second)
	}
	if err == nil && r.files.Store.Remove(ctx, path.Join(second, probeFinal)) == nil && r.files.Store.Remove(ctx, second) == nil {
		return nil
	}
	// A probe that cannot be deleted is a failure of its own.
	return errors.Join(err, r.clearProbe(ctx, first, second))
}

// clearProbe removes what a probe has made. Both names are tried, whatever fails.
func (r prober) clearProbe(ctx context.Context, folders ...string) error {
	var failures []error
	for _, dir := range folders {
		if _, err := r.files.Stat(ctx, dir); folder.IsMissing(err) {
			continue
		}
		for _, name := range []string{probeFile, probeFinal, strings.ToLower(probeFile), strings.ToLower(probeFinal)} {
			failures = append(failures, r.files.Remove(ctx, path.Join(dir, name)))
		}
		failures = append(failures, r.files.Remove(ctx, dir))
	}
	return errors.Join(failures...)
}

func (r prober) probe(ctx context.Context, first, second string) error {
	data := make([]byte, probeSize)
	if _, err := rand.Read(data); err != nil {
		return fmt.Errorf("draw test bytes: %w", err)
	}
	if err := r.files.MkdirAll(ctx, first); err != nil {
		return err
	}
	if err := r.files.Write(ctx, path.Join(first, probeFile), data); err != nil { // and read it back
		return err
	}
	if err := r.files.Rename(ctx, path.Join(first, probeFile), path.Join(first, probeFinal)); err != nil {
		return err
	}
	if err := r.files.Rename(ctx, first, second); err != nil {
		return err
	}
	return r.keepsNames(ctx, second, probeFinal)
}

// keepsNames makes sure that a folder lists a file under the name that it was given.
func (r prober) keepsNames(ctx context.Context, dir, name string) error {
	entries, err := r.files.List(ctx, dir)
	if err != nil {
		return err
	}
	var others []string
	for _, entry := range entries {
		if entry.Name == name {
			return nil
		}
		others = append(others, entry.Name)
	}
	return fault.Newf(fault.ShareNames, "%s lists a file as %q that was named %q", r.files.Store, others, name)
}
