package document

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidwall/gjson"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff/jsondiff"
	"infrabackup/internal/diff/redact"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/printable"
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
	Endpoint, Type, APIVersion string
	value                      gjson.Result // the document
	document                   []byte       // or its bytes, which may be anything
}

// parse reads the document.
func (e *envelope) parse(rules *jsondiff.Compiled, key *redact.Key) (*jsondiff.Document, error) {
	if e.document != nil {
		return jsondiff.Parse(e.document, rules, key)
	}
	return jsondiff.ParseValue(e.value, rules, key)
}

// open reads an envelope: its members, each at most once, and no others.
func open(data []byte) (*envelope, error) {
	if !json.Valid(data) {
		return nil, errors.New("the envelope is no JSON")
	}
	root := gjson.ParseBytes(data)
	if !root.IsObject() {
		return nil, errors.New("the envelope is no object")
	}
	var e envelope
	var err error
	seen := map[string]bool{}
	root.ForEach(func(key, value gjson.Result) bool {
		name := key.Str
		text := value.Type == gjson.String
		switch {
		case seen[name]:
			err = fmt.Errorf("the envelope has %q twice", printable.Short(name))
		case name == "endpoint" && text:
			e.Endpoint = value.Str
		case name == "type" && text:
			e.Type = value.Str
		case name == "apiVersion" && text:
			e.APIVersion = value.Str
		case name == "document":
			e.value = value
		case name == "documentBase64" && text:
			e.document, err = base64.StdEncoding.DecodeString(value.Str)
		default:
			err = fmt.Errorf("the envelope has an unexpected %q", printable.Short(name))
		}
		seen[name] = true
		return err == nil
	})
	switch {
	case err != nil:
		return nil, err
	case seen["document"] == seen["documentBase64"]:
		return nil, errors.New("the envelope has not one document")
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
	left, errA := x.parse(rules, c.key)
	right, errB := y.parse(rules, c.key)
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
	d, err := e.parse(c.rulesOf(service, kind), c.key)
	if err != nil {
		return jsondiff.Value{}, err
	}
	return d.Root(), nil
}
