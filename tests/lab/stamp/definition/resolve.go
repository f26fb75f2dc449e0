package definition

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// definition finds what a reference in a file means.
func (l *loader) definition(name, ref string) (where, key string, schema map[string]any, err error) {
	where, fragment, _ := strings.Cut(ref, "#")
	def, ok := strings.CutPrefix(fragment, "/definitions/")
	switch {
	case !ok:
		return "", "", nil, fmt.Errorf("reference %q is to no definition", ref)
	case strings.Contains(where, "common-types/resource-management/v1/types.json"):
		where = commonTypes
	case where == "":
		where = name
	default:
		where = path.Join(path.Dir(name), where)
	}
	if f := l.files[where]; f == nil || f.Definitions[def] == nil {
		return "", "", nil, fmt.Errorf("no definition %s in %s", def, where)
	}
	return where, where + "#" + def, l.files[where].Definitions[def], nil
}

// shape converts a schema. A definition is converted once, so that those that refer to
// themselves end.
func (l *loader) shape(name string, in map[string]any) (*Shape, error) {
	ref, ok := in["$ref"].(string)
	if !ok {
		out := &Shape{}
		return out, l.fill(out, name, in)
	}
	where, key, schema, err := l.definition(name, ref)
	if err != nil {
		return nil, err
	}
	if done := l.shapes[key]; done != nil {
		return done, nil
	}
	out := &Shape{}
	l.shapes[key] = out
	return out, l.fill(out, where, schema)
}

func (l *loader) fill(out *Shape, name string, in map[string]any) error {
	if ref, ok := in["$ref"].(string); ok { // a definition that is another one
		where, _, schema, err := l.definition(name, ref)
		if err != nil {
			return err
		}
		return l.fill(out, where, schema)
	}
	out.Type, _ = in["type"].(string)
	if in["properties"] != nil || in["allOf"] != nil || in["additionalProperties"] != nil || out.Type == "object" {
		out.Type, out.Members = "object", map[string]*Member{}
		if err := l.inherit(out, name, in); err != nil {
			return err
		}
		out.Open = out.Open || len(out.Members) == 0 && out.Rest == nil
	}
	if items, ok := in["items"].(map[string]any); ok {
		out.Type = "array"
		var err error
		if out.Items, err = l.shape(name, items); err != nil {
			return err
		}
	}
	if values, ok := in["enum"].([]any); ok {
		for _, v := range values {
			if text, ok := v.(string); ok {
				out.Enum = append(out.Enum, text)
			}
		}
	}
	out.Minimum, out.Maximum = bound(in["minimum"]), bound(in["maximum"])
	if b := bound(in["minLength"]); b != nil {
		n := int(*b)
		out.MinLength = &n
	}
	if b := bound(in["maxLength"]); b != nil {
		n := int(*b)
		out.MaxLength = &n
	}
	if text, ok := in["pattern"].(string); ok {
		var err error
		if out.Pattern, err = regexp.Compile(text); err != nil {
			return err
		}
	}
	if out.Type == "string" && in["format"] == "uuid" {
		out.Pattern = guid
	}
	return nil
}

var guid = regexp.MustCompile(`^(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func bound(v any) *float64 {
	if f, ok := v.(float64); ok {
		return &f
	}
	return nil
}

// inherit adds an object's members and those of what it is made of.
func (l *loader) inherit(out *Shape, name string, in map[string]any) error {
	all, _ := in["allOf"].([]any)
	for _, part := range all {
		base, _ := part.(map[string]any)
		where := name
		for { // a base may itself be a reference
			ref, ok := base["$ref"].(string)
			if !ok {
				break
			}
			var err error
			if where, _, base, err = l.definition(where, ref); err != nil {
				return err
			}
		}
		if err := l.inherit(out, where, base); err != nil {
			return err
		}
	}
	properties, _ := in["properties"].(map[string]any)
	for key, value := range properties {
		schema, _ := value.(map[string]any)
		s, err := l.shape(name, schema)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		readOnly, _ := schema["readOnly"].(bool)
		if m, ok := schema["x-ms-mutability"].([]any); ok && !slices.Contains(m, any("create")) && !slices.Contains(m, any("update")) {
			readOnly = true
		}
		out.Members[strings.ToLower(key)] = &Member{Name: key, ReadOnly: readOnly, Shape: s}
	}
	required, _ := in["required"].([]any)
	for _, key := range required {
		if text, ok := key.(string); ok && !slices.Contains(out.Required, text) {
			out.Required = append(out.Required, text)
		}
	}
	switch more := in["additionalProperties"].(type) {
	case map[string]any:
		if len(more) == 0 || len(more) == 1 && more["type"] == "object" { // anything at all
			out.Open = true
			return nil
		}
		s, err := l.shape(name, more)
		if err != nil {
			return err
		}
		out.Rest = s
	case bool:
		out.Open = out.Open || more
	}
	return nil
}
