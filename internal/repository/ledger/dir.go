package ledger

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/foreign"
)

// Dir is the folder ledger/ of an instance.
type Dir struct {
	files *folder.Folder
	// An entry that was read a moment ago, and its line; the zero head for none.
	knownHead backup.LedgerHead
	knownLine []byte
}

// In returns the ledger in an instance's folder. Nothing is read or written.
func In(files *folder.Folder) *Dir { return &Dir{files: files} }

func (d *Dir) path() string { return d.files.At(backup.LedgerDir) }

// AllowedSigners reads the public signing keys that the share lists.
func (d *Dir) AllowedSigners(ctx context.Context) ([]byte, error) {
	return d.files.Read(ctx, d.files.At(backup.AllowedSignersFile), folder.MaxSmall)
}

// isLeftover reports whether the name is that of a file that an append did not live to
// give its name.
func isLeftover(name string) bool {
	entry, ok := folder.FinalName(name)
	_, err := backup.ParseLedgerFile(entry)
	return ok && err == nil
}

// Trace is what a folder shows of a ledger without reading it.
type Trace struct {
	Newest int64 // the highest number that an entry has, 0 for none
	Files  int   // entries, and what could be taken for one
}

// Trace looks whether a ledger was ever kept here.
func (d *Dir) Trace(ctx context.Context) (Trace, error) {
	entries, err := d.files.List(ctx, d.path())
	if err != nil && !folder.IsMissing(err) {
		return Trace{}, err
	}
	var t Trace
	for _, entry := range entries {
		if isLeftover(entry.Name) || !foreign.Ledger.Resembles(entry.Name, entry.IsDir) {
			continue
		}
		t.Files++
		if n, err := backup.ParseLedgerFile(entry.Name); err == nil {
			t.Newest = max(t.Newest, n)
		}
	}
	return t, nil
}

// Author returns the controller that made an entry, nobody when it cannot be read. The
// signature is not looked at, as little as controller.json has one.
func (d *Dir) Author(ctx context.Context, sequence int64) (string, error) {
	data, err := d.readEntry(ctx, d.EntryPath(sequence))
	if err != nil && !folder.IsMissing(err) {
		return "", err
	}
	line, _ := Split(data)
	entry, err := backup.DecodeLedgerEntry(line)
	if err != nil || entry.Sequence != sequence || entry.Instance != d.files.Instance() {
		return "", nil
	}
	return entry.Controller, nil
}
