package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff/jsondiff"
	"infrabackup/internal/diff/redact"
	"infrabackup/internal/diff/result"
)

// Comparer compares documents. It may be used from several goroutines, once Translate is set.
type Comparer struct {
	// Translate, when not nil, says what the second side calls what a text of the first names.
	Translate func(text string) string

	key   *redact.Key
	rules map[kindOf]*jsondiff.Compiled
	other map[backup.Service]*jsondiff.Compiled // for kinds without rules of their own
}

type kindOf struct {
	service backup.Service
	kind    string
}

// New makes a comparer whose secrets become fingerprints of key.
func New(key *redact.Key) *Comparer {
	c := &Comparer{key: key, rules: map[kindOf]*jsondiff.Compiled{}, other: map[backup.Service]*jsondiff.Compiled{}}
	for service, t := range tables {
		c.other[service] = jsondiff.Compile(common, t.all)
		for kind, rules := range t.kinds {
			c.rules[kindOf{service, kind}] = jsondiff.Compile(common, t.all, rules)
		}
	}
	return c
}

func (c *Comparer) rulesOf(service backup.Service, kind string) *jsondiff.Compiled {
	if rules := c.rules[kindOf{service, kind}]; rules != nil {
		return rules
	}
	return c.other[service]
}

// Has reports whether the documents of a service are compared here.
func Has(service backup.Service) bool { return tables[service].has }

// Derived is why items of a kind do not count at all, "" when they do.
func Derived(service backup.Service, kind string) string { return tables[service].derived[kind] }

// envelope is how a document lies in a part (FORMAT.md, section 6).
type envelope struct {
	Endpoint       string          `json:"endpoint"`
	Type           string          `json:"type"`
	APIVersion     string          `json:"apiVersion"`
	Document       json.RawMessage `json:"document"`
	DocumentBase64 []byte          `json:"documentBase64"`
}

func (e *envelope) bytes() []byte {
	if e.DocumentBase64 != nil {
		return e.DocumentBase64
	}
	return e.Document
}

func open(data []byte) (*envelope, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var e envelope
	if err := dec.Decode(&e); err != nil {
		return nil, fmt.Errorf("decode the envelope: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("decode the envelope: something follows it")
	}
	return &e, nil
}

// Compare compares two versions of an item. An error says why they cannot be compared.
func (c *Comparer) Compare(service backup.Service, kind string, a, b []byte, to *result.Details) error {
	x, errA := open(a)
	y, errB := open(b)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if x.Endpoint != y.Endpoint {
		to.Change("(endpoint)", x.Endpoint, y.Endpoint)
	}
	if x.Type != y.Type {
		to.Change("(type)", x.Type, y.Type)
	}
	if x.APIVersion != y.APIVersion {
		to.Ignore(ReasonVersion)
	}
	rules := c.rulesOf(service, kind)
	left, errA := jsondiff.Parse(x.bytes(), rules, c.key)
	right, errB := jsondiff.Parse(y.bytes(), rules, c.key)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	jsondiff.Compare(left, right, rules, jsondiff.Options{Translate: c.Translate}, to)
	return nil
}

// Read reads the document of an item, for those who look at single members.
func (c *Comparer) Read(service backup.Service, kind string, data []byte) (jsondiff.Value, error) {
	e, err := open(data)
	if err != nil {
		return jsondiff.Value{}, err
	}
	d, err := jsondiff.Parse(e.bytes(), c.rulesOf(service, kind), c.key)
	if err != nil {
		return jsondiff.Value{}, err
	}
	return d.Root(), nil
}
