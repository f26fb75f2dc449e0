package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"infrabackup/tests/spec"
)

// Plane is the kind of host that a request goes to.
type Plane string

// The planes. Both resource managers share one.
const (
	Manager Plane = "manager"
	Vault   Plane = "vault" // the data plane of Key Vault
)

// Operation is one operation of a definition.
type Operation struct {
	File    string // below tests/spec, or written/… for one of our own hand
	ID      string // operationId
	Plane   Plane
	Method  string // upper case
	Path    string // template, with the case of the definition
	Version string // api-version
	// List says that the answer is a list: the definition says so with
	// x-ms-pageable, or the schema is an array or has an array named value.
	List bool
	// NextLink is the property with the address of the next page; "" for none.
	NextLink string

	match    *regexp.Regexp
	literals int // how many segments are no parameters: the more, the better the match
	generic  bool
	schemas  map[string]*jsonschema.Schema
}

// Generic says that the path stands for resources of every type.
func (o *Operation) Generic() bool { return o.generic }

// Statuses are the statuses that the definition has a schema for, "default" among them.
func (o *Operation) Statuses() []string {
	var out []string
	for status := range o.schemas {
		out = append(out, status)
	}
	slices.Sort(out)
	return out
}

// Spec is a set of definitions.
type Spec struct {
	Operations []*Operation // in the order of files and paths
	ranked     []*Operation // those with the most literal segments first
	failure    *jsonschema.Schema
}

type document struct {
	Info struct {
		Version string `json:"version"`
	} `json:"info"`
	Paths       map[string]map[string]json.RawMessage `json:"paths"`
	Definitions map[string]map[string]any             `json:"definitions"`
}

type operation struct {
	OperationID string `json:"operationId"`
	Responses   map[string]struct {
		Schema map[string]any `json:"schema"`
	} `json:"responses"`
	Pageable *struct {
		NextLinkName *string `json:"nextLinkName"`
	} `json:"x-ms-pageable"`
}

// Load reads every definition below a folder, such as tests/spec, and those of our
// own hand. It fails for a definition that it cannot follow, so that none is passed
// over in silence.
func Load(definitions fs.FS) (*Spec, error) {
	c := &converter{files: map[string]*document{}, defs: map[string]any{}}
	for _, from := range []fs.FS{definitions, spec.Written} {
		if err := c.read(from); err != nil {
			return nil, err
		}
	}
	s := &Spec{}
	pending := map[*Operation]map[string]string{}
	for _, file := range sorted(c.files) {
		doc := c.files[file]
		for _, template := range sorted(doc.Paths) {
			for _, method := range sorted(doc.Paths[template]) {
				if method == "parameters" || strings.HasPrefix(method, "x-") {
					continue
				}
				o, keys, err := c.operation(file, doc.Info.Version, template, method, doc.Paths[template][method])
				if err != nil {
					return nil, fmt.Errorf("%s: %s %s: %w", file, method, template, err)
				}
				s.Operations = append(s.Operations, o)
				pending[o] = keys
			}
		}
	}
	s.ranked = slices.Clone(s.Operations)
	slices.SortStableFunc(s.ranked, func(a, b *Operation) int { return b.literals - a.literals })
	failure, err := c.definition(commonTypes, "CloudError")
	if err != nil {
		return nil, err
	}
	if err := c.convertAll(); err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource("mem:///spec.json", map[string]any{"$defs": c.defs}); err != nil {
		return nil, err
	}
	compile := func(key string) (*jsonschema.Schema, error) {
		return compiler.Compile("mem:///spec.json#/$defs/" + key)
	}
	if s.failure, err = compile(failure); err != nil {
		return nil, err
	}
	for _, o := range s.Operations {
		for status, key := range pending[o] {
			if o.schemas[status], err = compile(key); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", o.File, o.ID, err)
			}
		}
	}
	return s, nil
}

func (c *converter) read(from fs.FS) error {
	return fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".json" {
			return err
		}
		data, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		var doc document
		if err := json.Unmarshal(data, &doc); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		c.files[name] = &doc
		return nil
	})
}

// operation reads one operation and returns the names of its answers' definitions.
func (c *converter) operation(file, version, template, method string, data json.RawMessage) (*Operation, map[string]string, error) {
	var in operation
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, nil, err
	}
	o := &Operation{File: file, ID: in.OperationID, Plane: Manager, Method: strings.ToUpper(method), Path: template, Version: version, schemas: map[string]*jsonschema.Schema{}}
	if strings.HasPrefix(file, "arm/keyvault-data/") {
		o.Plane = Vault
	}
	var err error
	if o.match, o.literals, err = pattern(template); err != nil {
		return nil, nil, err
	}
	o.generic = strings.HasSuffix(template, "{resourceProviderNamespace}/{parentResourcePath}/{resourceType}/{resourceName}") || template == "/{resourceId}"
	keys := map[string]string{}
	for _, status := range sorted(in.Responses) {
		schema := in.Responses[status].Schema
		if schema == nil {
			continue
		}
		if status == "200" && c.isList(file, schema) {
			o.List = true
		}
		key := name(file, fmt.Sprintf("%s.%s.%s", template, method, status))
		c.pending = append(c.pending, pending{key, file, schema})
		keys[status] = key
	}
	if in.Pageable != nil {
		o.List = true
		if in.Pageable.NextLinkName != nil {
			o.NextLink = *in.Pageable.NextLinkName
		}
	}
	return o, keys, nil
}

// wide are the parameters that stand for several segments of a path.
var wide = map[string]string{
	"scope": "(.+?)", "resourceId": "(.+?)", "parentResourcePath": "(.+?)", "linkId": "(.+?)",
	"roleAssignmentId": `(.+/roleAssignments/[^/]+)`, "roleDefinitionId": `(.+/roleDefinitions/[^/]+)`,
}

// pattern makes an expression that matches the paths of a template. The end of a
// template may have a slash that requests leave out.
func pattern(template string) (*regexp.Regexp, int, error) {
	literals := 0
	var b strings.Builder
	b.WriteString("(?i)^")
	for _, segment := range strings.Split(strings.Trim(template, "/"), "/") {
		parameter, ok := strings.CutPrefix(segment, "{")
		if ok && strings.HasSuffix(parameter, "-version}") { // a vault's, which may be left out for the newest
			b.WriteString("(?:/([^/]*))?")
			continue
		}
		b.WriteString("/")
		switch parameter = strings.TrimSuffix(parameter, "}"); {
		case !ok:
			literals++
			b.WriteString(regexp.QuoteMeta(segment))
		// The same name is a path in one operation and a GUID in another.
		case wide[parameter] != "" && (parameter != "roleDefinitionId" || strings.Count(template, "{") == 1):
			b.WriteString(wide[parameter])
		default:
			b.WriteString("([^/]+)")
		}
	}
	b.WriteString("/?$")
	match, err := regexp.Compile(b.String())
	return match, literals, err
}

// Find gives the operation that a request belongs to, nil for none: the one with the
// most literal segments. An empty api-version matches all. When no definition of a
// version is there, the one that [Spec] holds it against instead is taken.
func (s *Spec) Find(plane Plane, method, path, version string) *Operation {
	for _, v := range []string{version, standIn(path, version)} {
		for _, o := range s.ranked {
			if o.Plane == plane && o.Method == method && (v == "" || o.Version == v) && !o.Generic() && o.match.MatchString(path) {
				return o
			}
		}
	}
	for _, o := range s.ranked {
		if o.Plane == plane && o.Method == method && o.Generic() && o.match.MatchString(path) {
			return o
		}
	}
	return nil
}

// ErrUnknown says that no definition describes a request.
var ErrUnknown = errors.New("no definition describes this request")

// Check holds an answer against its definition. Errors are held against the error
// body that a resource manager gives, whatever the definition's default says: it
// answers for the providers behind it (exceptions.go). A vault's are held against
// the vault's own.
func (s *Spec) Check(plane Plane, method, path, version string, status int, body []byte) (*Operation, []Problem, error) {
	o := s.Find(plane, method, path, version)
	if o == nil {
		return nil, nil, fmt.Errorf("%s %s at %s: %w", method, path, version, ErrUnknown)
	}
	schema := o.schemas[fmt.Sprint(status)]
	switch {
	case schema != nil:
	case status >= 400 && plane == Vault && o.schemas["default"] != nil:
		schema = o.schemas["default"]
	case status >= 400:
		schema = s.failure
	case len(body) > 0:
		return o, []Problem{{Operation: o.ID, What: fmt.Sprintf("a body with status %d, for which the definition has none", status)}}, nil
	default:
		return o, nil, nil
	}
	return o, validate(o.ID, schema, body), nil
}
