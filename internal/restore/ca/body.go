package ca

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"infrabackup/internal/restore"
)

// Limits of a CA that is brought back: its files pass through memory.
const (
	maxFolderBytes = 512 << 20
	maxEntries     = 200_000
	maxDepth       = 64 // folders in each other, as captured
)

// wanted is the body of a want: a CA as the backup has it.
type wanted struct {
	Gap     int64   `json:"gap"`
	Entries []entry `json:"entries"` // sorted by path

	tree     *tree
	contents map[string][]byte // of files, by path
}

// putBack is the body of an undo's want.
type putBack struct {
	ID     string `json:"id"`    // of the write that is taken back
	After  string `json:"after"` // digest of the state that the write left
	Before []byte `json:"before,omitempty"`
	// Watched are the files that states are compared by though nobody knows what they are.
	Watched []pathName `json:"watched,omitempty"`
	// Serial and CRLNumber are the next numbers, by the path of their files, that are at
	// least kept.
	Numbers map[string]string `json:"numbers,omitempty"`
}

// The first bytes of a body say what it is.
var (
	wantedMark  = []byte("ca-folder 1\n")
	putBackMark = []byte("ca-undo 1\n")
)

// encodeWanted writes a line of JSON and behind it the files, in their order. Contents are
// taken from w.contents.
func encodeWanted(w *wanted) ([]byte, error) {
	bare := wanted{Gap: w.Gap, Entries: make([]entry, len(w.Entries))}
	for i, e := range w.Entries {
		e.Content = nil // stands behind
		bare.Entries[i] = e
	}
	head, err := json.Marshal(bare)
	if err != nil {
		return nil, fmt.Errorf("encode what is wanted of the CA: %w", err)
	}
	var b bytes.Buffer
	b.Write(wantedMark)
	b.Write(head)
	b.WriteByte('\n')
	for _, e := range w.Entries {
		if e.Type == typeFile {
			b.Write(w.contents[string(e.Path)])
		}
	}
	return b.Bytes(), nil
}

var errBody = errors.New("this is nothing that the restorer of the CA wants")

func decodeWanted(body []byte) (*wanted, error) {
	rest, ok := bytes.CutPrefix(body, wantedMark)
	head, files, found := bytes.Cut(rest, []byte("\n"))
	if !ok || !found {
		return nil, errBody
	}
	w := &wanted{contents: map[string][]byte{}}
	if err := json.Unmarshal(head, w); err != nil {
		return nil, errors.Join(errBody, err)
	}
	for i := range w.Entries {
		e := &w.Entries[i]
		if e.Type != typeFile {
			continue
		}
		if e.Size < 0 || e.Size > int64(len(files)) {
			return nil, errBody
		}
		content := files[:e.Size:e.Size]
		files = files[e.Size:]
		w.contents[string(e.Path)] = content
		if e.keepsContent() {
			e.Content = content
		}
	}
	if len(files) > 0 {
		return nil, errBody
	}
	w.settle()
	return w, nil
}

// settle makes the tree, and gives the files of the database their contents whatever they
// are called.
func (w *wanted) settle() {
	w.tree = newTree(w.Entries)
	for _, name := range w.tree.layout.state() {
		if i, ok := w.tree.byPath[name]; ok && w.tree.entries[i].Type == typeFile {
			w.tree.entries[i].Content = w.contents[name]
		}
	}
}

func encodePutBack(p *putBack) ([]byte, error) {
	data, err := json.Marshal(p)
	return append(bytes.Clone(putBackMark), data...), err
}

func decodePutBack(body []byte) (*putBack, error) {
	rest, ok := bytes.CutPrefix(body, putBackMark)
	if !ok {
		return nil, errBody
	}
	p := &putBack{}
	if err := json.Unmarshal(rest, p); err != nil {
		return nil, errors.Join(errBody, err)
	}
	return p, nil
}

// watched are the paths of a want's files that the state is about although nobody knows
// what they are, such as a README.
func watched(want restore.Want) (map[string]bool, error) {
	names := map[string]bool{}
	if bytes.HasPrefix(want.Body, putBackMark) {
		p, err := decodePutBack(want.Body)
		if err != nil {
			return nil, err
		}
		for _, name := range p.Watched {
			names[string(name)] = true
		}
		return names, nil
	}
	w, err := decodeWanted(want.Body)
	if err != nil {
		return nil, err
	}
	for _, e := range w.Entries {
		names[string(e.Path)] = true
	}
	return names, nil
}

// document is a state's: what the target holds.
type document struct {
	Problem *problem `json:"problem,omitempty"`
	Entries []entry  `json:"entries"`
}

// problem is why nothing can be done with what is in the folder's place.
type problem struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func decodeDocument(live restore.State) (*document, error) {
	d := &document{}
	if !live.Exists {
		return d, nil
	}
	if err := json.Unmarshal(live.Document, d); err != nil {
		return nil, errors.Join(errBody, err)
	}
	return d, nil
}

// state is the state of a folder with these entries.
func (d *document) state() (restore.State, error) {
	if d.Problem == nil && len(d.Entries) == 0 {
		return restore.State{Digest: restore.AbsentDigest}, nil
	}
	data, err := json.Marshal(d)
	if err != nil {
		return restore.State{}, fmt.Errorf("encode the state of the CA: %w", err)
	}
	return restore.State{Exists: true, Document: data, Digest: restore.Digest(data)}, nil
}
