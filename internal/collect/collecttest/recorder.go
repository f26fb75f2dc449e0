package collecttest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
)

// Call is one call of a sink.
type Call struct {
	Item     backup.Item
	Document []byte            // of Record, nil otherwise
	File     *collect.FileInfo // of File, nil otherwise
	SHA256   string            // of the file's bytes
	Gap      *backup.Gap       // of Gap, nil otherwise
}

// Recorder is a sink that remembers its calls. Its zero value is ready.
type Recorder struct {
	// Before, when not nil, is called before each Record and File with the number of
	// such calls so far. Its error is what the sink returns.
	Before func(number int) error
	// Keep, when not nil, gets every file's bytes.
	Keep func(info collect.FileInfo, content []byte)

	calls  []Call
	items  int
	failed bool
	late   int // calls after a failure
}

var _ collect.Sink = (*Recorder)(nil)

// Calls returns all calls in order.
func (r *Recorder) Calls() []Call { return r.calls }

// Items returns how often Record and File were called.
func (r *Recorder) Items() int { return r.items }

// Late returns how many items came after the sink had failed.
func (r *Recorder) Late() int { return r.late }

// Gaps returns the gaps in order.
func (r *Recorder) Gaps() []backup.Gap {
	var gaps []backup.Gap
	for _, c := range r.calls {
		if c.Gap != nil {
			gaps = append(gaps, *c.Gap)
		}
	}
	return gaps
}

// Gap implements [collect.Sink].
func (r *Recorder) Gap(gap backup.Gap) { r.calls = append(r.calls, Call{Gap: &gap}) }

// Record implements [collect.Sink].
func (r *Recorder) Record(item backup.Item, document []byte) error {
	if err := r.before(); err != nil {
		return err
	}
	r.calls = append(r.calls, Call{Item: item, Document: bytes.Clone(document)})
	return nil
}

// File implements [collect.Sink]. It reads exactly info.Size bytes.
func (r *Recorder) File(item backup.Item, info collect.FileInfo, src io.Reader) error {
	if err := r.before(); err != nil {
		return err
	}
	sum := sha256.New()
	var content bytes.Buffer
	var w io.Writer = sum
	if r.Keep != nil {
		w = io.MultiWriter(sum, &content)
	}
	n, err := io.Copy(w, io.LimitReader(src, info.Size))
	if err != nil {
		r.failed = true
		return err
	}
	if n != info.Size {
		r.failed = true
		return fmt.Errorf("file %q ended after %d of %d bytes", info.Path, n, info.Size)
	}
	if r.Keep != nil {
		r.Keep(info, content.Bytes())
	}
	r.calls = append(r.calls, Call{Item: item, File: &info, SHA256: hex.EncodeToString(sum.Sum(nil))})
	return nil
}

func (r *Recorder) before() error {
	if r.failed {
		r.late++
	}
	number := r.items
	r.items++
	if r.Before == nil {
		return nil
	}
	err := r.Before(number)
	r.failed = r.failed || err != nil
	return err
}
