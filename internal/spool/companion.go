package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"infrabackup/internal/backup"
	"infrabackup/internal/blocksum"
	"infrabackup/internal/fault"
)

// What goes with a file of a backup lies beside it, under its name and one of these.
const (
	journalSuffix   = ".journal"
	blocksSuffix    = ".blocks"
	maxJournalBytes = 4 << 10
)

// Journal is what has become of an upload: everything below Flushed is on stable
// storage under the name Target.
type Journal struct {
	Target  string `json:"target"`
	Flushed int64  `json:"flushed"`
}

// SaveJournal records the progress of an upload, durably and in one step.
func (s *Spool) SaveJournal(id backup.ID, name string, j Journal) error {
	data, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("encode upload journal: %w", err)
	}
	return s.save(id, name, journalSuffix, data)
}

// LoadJournal returns the recorded progress, the zero value when there is none or
// it cannot be understood: then the upload starts over.
func (s *Spool) LoadJournal(id backup.ID, name string) (Journal, error) {
	data, err := s.load(id, name, journalSuffix, maxJournalBytes)
	if err != nil {
		return Journal{}, err
	}
	var j Journal
	if json.Unmarshal(data, &j) != nil || j.Flushed < 0 {
		return Journal{}, nil
	}
	return j, nil
}

// SaveBlocks keeps the sums of the blocks of a file that was captured completely, durably
// and in one step.
func (s *Spool) SaveBlocks(id backup.ID, name string, blocks *blocksum.Table) error {
	data, err := blocks.Encode()
	if err != nil {
		return fault.New(fault.Internal, "the sums of "+name+" cannot be kept", err)
	}
	return s.save(id, name, blocksSuffix, data)
}

// LoadBlocks returns the sums of the blocks of a captured file, nil when none were kept or
// they are not those of this file.
func (s *Spool) LoadBlocks(id backup.ID, file backup.File) (*blocksum.Table, error) {
	data, err := s.load(id, file.Name, blocksSuffix, blocksum.MaxEncoded)
	if err != nil || data == nil {
		return nil, err
	}
	blocks, err := blocksum.Decode(data, file.Size, file.SHA256)
	if err != nil {
		return nil, nil // what is damaged is as good as missing: all of the file is hashed then
	}
	return blocks, nil
}

// save writes something that goes with a file, durably and in one step.
func (s *Spool) save(id backup.ID, name, suffix string, data []byte) error {
	where, err := place(id, name)
	if err != nil {
		return err
	}
	s.names.Lock() // the temporary name is one
	defer s.names.Unlock()
	temp := where + suffix + ".new"
	file, err := s.root.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return s.fail("create "+temp, err)
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return s.fail("write "+temp, err)
	}
	if err := s.root.Rename(temp, where+suffix); err != nil {
		return s.fail("rename "+temp, err)
	}
	return nil
}

// load reads what [Spool.save] wrote, at most so many bytes; nil when there is none.
func (s *Spool) load(id backup.ID, name, suffix string, limit int64) ([]byte, error) {
	where, err := place(id, name)
	if err != nil {
		return nil, err
	}
	file, err := s.root.Open(where + suffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, s.fail("open "+where+suffix, err)
	}
	defer func() { _ = file.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(file, limit))
	if err != nil {
		return nil, s.fail("read "+where+suffix, err)
	}
	return data, nil
}
