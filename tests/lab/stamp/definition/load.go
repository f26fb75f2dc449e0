package definition

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Operation is one that changes something.
type Operation struct {
	ID      string // operationId
	File    string
	Version string // api-version
	// LongRunning says that the answer may come before the work is done.
	LongRunning bool
	// Statuses are those of success, such as "200" and "201"; Bodies are those of them
	// that have a body.
	Statuses, Bodies []string
	// Body is nil when the operation takes none.
	Body *Shape
}

// Has says whether the operation may end with a status.
func (o *Operation) Has(status string) bool { return slices.Contains(o.Statuses, status) }

// Set is what definitions say, by method and type.
type Set struct{ byKey map[string][]*Operation }

// commonTypes stands for a file that definitions refer to and that is not with them.
const commonTypes = "written/common-types.json"

type file struct {
	Info struct {
		Version string `json:"version"`
	} `json:"info"`
	Paths       map[string]map[string]json.RawMessage `json:"paths"`
	Definitions map[string]map[string]any             `json:"definitions"`
	Parameters  map[string]map[string]any             `json:"parameters"`
}

type operation struct {
	OperationID string           `json:"operationId"`
	Parameters  []map[string]any `json:"parameters"`
	Responses   map[string]struct {
		Schema map[string]any `json:"schema"`
	} `json:"responses"`
	LongRunning bool `json:"x-ms-long-running-operation"`
}

// loader resolves references once.
type loader struct {
	files  map[string]*file
	shapes map[string]*Shape // by file and definition
}

// Load reads all definitions below the given folders. It fails for one that it cannot
// follow.
func Load(from ...fs.FS) (*Set, error) {
	l := &loader{files: map[string]*file{}, shapes: map[string]*Shape{}}
	for _, f := range from {
		if err := l.read(f); err != nil {
			return nil, err
		}
	}
	s := &Set{byKey: map[string][]*Operation{}}
	for _, name := range slices.Sorted(maps.Keys(l.files)) {
		f := l.files[name]
		for _, template := range slices.Sorted(maps.Keys(f.Paths)) {
			for _, method := range []string{"put", "patch", "delete", "post"} {
				data, ok := f.Paths[template][method]
				if !ok {
					continue
				}
				o, err := l.operation(name, f, data)
				if err != nil {
					return nil, fmt.Errorf("%s: %s %s: %w", name, method, template, err)
				}
				key := strings.ToUpper(method) + " " + typeOf(name, template)
				s.byKey[key] = append(s.byKey[key], o)
			}
		}
	}
	return s, nil
}

// typeOf is what stands for a template: the full type of the resource in lower case, and
// for the data plane of vaults "vault " and the path with {} for each parameter.
func typeOf(file, template string) string {
	segments := strings.Split(strings.Trim(strings.ToLower(template), "/"), "/")
	for i, segment := range segments {
		if strings.HasPrefix(segment, "{") {
			segments[i] = "{}"
		}
	}
	if strings.HasPrefix(file, "arm/keyvault-data/") {
		return "vault " + strings.Join(segments, "/")
	}
	at := -1
	for i, segment := range segments {
		if segment == "providers" {
			at = i
		}
	}
	if at >= 0 && at+1 < len(segments) {
		typ := segments[at+1]
		for i := at + 2; i < len(segments); i += 2 {
			typ += "/" + segments[i]
		}
		return typ
	}
	switch {
	case len(segments) >= 3 && segments[2] == "resourcegroups":
		return "microsoft.resources/resourcegroups" + suffix(segments[min(4, len(segments)):])
	case segments[0] == "subscriptions":
		return "microsoft.resources/subscriptions" + suffix(segments[min(2, len(segments)):])
	}
	return strings.Join(segments, "/")
}

func suffix(segments []string) string {
	if len(segments) == 0 {
		return ""
	}
	return "/" + strings.Join(segments, "/")
}

// Find gives the operation of a method on a lower-case type: at the api-version, or at
// the newest that is defined. It is nil for none.
func (s *Set) Find(method, typ, version string) *Operation {
	all := s.byKey[method+" "+typ]
	if len(all) == 0 {
		return nil
	}
	best := all[0]
	for _, o := range all {
		if o.Version == version {
			return o
		}
		if o.Version > best.Version {
			best = o
		}
	}
	return best
}

func (l *loader) read(from fs.FS) error {
	return fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".json" || strings.Contains(name, "/examples/") {
			return err
		}
		data, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		f := &file{}
		if err := json.Unmarshal(data, f); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		l.files[name] = f
		return nil
	})
}

func (l *loader) operation(name string, f *file, data json.RawMessage) (*Operation, error) {
	var in operation
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, err
	}
	o := &Operation{ID: in.OperationID, File: name, Version: f.Info.Version, LongRunning: in.LongRunning}
	for _, status := range slices.Sorted(maps.Keys(in.Responses)) {
		if status[0] != '2' {
			continue
		}
		o.Statuses = append(o.Statuses, status)
		if in.Responses[status].Schema != nil {
			o.Bodies = append(o.Bodies, status)
		}
	}
	for _, p := range in.Parameters {
		where := name
		if ref, ok := p["$ref"].(string); ok {
			file, fragment, _ := strings.Cut(ref, "#/parameters/")
			if file != "" {
				where = path.Join(path.Dir(name), file)
			}
			if strings.Contains(file, "common-types/") || l.files[where] == nil {
				continue // the api-version and the subscription only
			}
			p = l.files[where].Parameters[fragment]
		}
		if p["in"] != "body" {
			continue
		}
		schema, _ := p["schema"].(map[string]any)
		var err error
		if o.Body, err = l.shape(where, schema); err != nil {
			return nil, err
		}
	}
	return o, nil
}
