package drills

import (
	"context"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/restore/drill"
)

const (
	// maxDrills bounds the certificates of an instance.
	maxDrills = 10_000
	// MaxBytes bounds one certificate, and its signature, in bytes. A drill writes some 40 KiB.
	MaxBytes = 128 << 10
)

// Dir is the folder with the certificates of an instance.
type Dir struct{ files *folder.Folder }

// In is that folder below an instance's. Nothing is read.
func In(files *folder.Folder) *Dir { return &Dir{files} }

// List lists the names of certificates, the newest first; what else lies there is passed over. It
// is empty where there is no such folder. LIMIT_EXCEEDED for more than 10,000.
func (d *Dir) List(ctx context.Context) (names []string, err error) {
	entries, err := d.files.List(ctx, d.files.At(backup.DrillsDir))
	if folder.IsMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.IsDir && drill.IsFileName(e.Name) {
			names = append(names, e.Name)
		}
	}
	if len(names) > maxDrills {
		return nil, fault.Newf(fault.LimitExceeded, "%s has more than %d certificates of drills", d.files, maxDrills)
	}
	slices.Sort(names)
	slices.Reverse(names)
	return names, nil
}

// Read reads the certificate of a name that [Dir.List] gave, and its signature; what is missing, or
// cannot be what it has to be, is empty.
func (d *Dir) Read(ctx context.Context, name string) (line, signature []byte, err error) {
	if line, err = d.one(ctx, name); err != nil || line == nil {
		return nil, nil, err
	}
	signature, err = d.one(ctx, name+drill.SignatureSuffix)
	return line, signature, err
}

func (d *Dir) one(ctx context.Context, name string) ([]byte, error) {
	data, err := d.files.Read(ctx, d.files.At(backup.DrillsDir, name), MaxBytes)
	if folder.IsMissing(err) || folder.IsUnusable(err) {
		return nil, nil
	}
	return data, err
}
