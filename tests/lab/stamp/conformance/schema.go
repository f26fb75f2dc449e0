package conformance

import (
	"fmt"
	"maps"
	"math"
	"path"
	"regexp"
	"slices"
	"strings"
)

// commonTypes is our own text of the common types that definitions refer to.
const commonTypes = "written/common-types.json"

// converter turns OpenAPI 2.0 definitions into JSON Schema. It merges what allOf
// inherits, because "no other properties" can only be said of the whole.
type converter struct {
	files   map[string]*document
	defs    map[string]any
	pending []pending
}

type pending struct {
	key, file string
	schema    map[string]any
}

var unsafeName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// name is the key of a definition, safe in a JSON pointer and in a URL.
func name(file, definition string) string {
	return unsafeName.ReplaceAllString(file+"_"+definition, "-")
}

// definition schedules a definition for conversion and returns its key.
func (c *converter) definition(file, def string) (string, error) {
	doc := c.files[file]
	if doc == nil || doc.Definitions[def] == nil {
		return "", fmt.Errorf("no definition %s in %s", def, file)
	}
	key := name(file, def)
	if _, ok := c.defs[key]; !ok {
		c.defs[key] = nil
		c.pending = append(c.pending, pending{key, file, doc.Definitions[def]})
	}
	return key, nil
}

// target splits a $ref into file and definition.
func target(file, ref string) (string, string, error) {
	where, fragment, _ := strings.Cut(ref, "#")
	def, ok := strings.CutPrefix(fragment, "/definitions/")
	switch {
	case !ok:
		return "", "", fmt.Errorf("reference %q is to no definition", ref)
	case strings.Contains(where, "common-types/resource-management/v1/types.json"):
		return commonTypes, def, nil
	case where == "":
		return file, def, nil
	}
	return path.Join(path.Dir(file), where), def, nil
}

func (c *converter) convertAll() error {
	for len(c.pending) > 0 {
		p := c.pending[0]
		c.pending = c.pending[1:]
		s, err := c.schema(p.file, p.schema)
		if err != nil {
			return fmt.Errorf("%s: %w", p.key, err)
		}
		c.defs[p.key] = s
	}
	return nil
}

// schema converts one schema.
func (c *converter) schema(file string, in map[string]any) (map[string]any, error) {
	if _, ok := in["discriminator"]; ok {
		return nil, fmt.Errorf("a discriminator in %s: polymorphic definitions are not followed", file)
	}
	if ref, ok := in["$ref"].(string); ok {
		where, def, err := target(file, ref)
		if err != nil {
			return nil, err
		}
		key, err := c.definition(where, def)
		return map[string]any{"$ref": "#/$defs/" + key}, err
	}
	out := map[string]any{}
	if in["properties"] != nil || in["allOf"] != nil {
		if err := c.object(file, in, out); err != nil {
			return nil, err
		}
	} else if more, ok := in["additionalProperties"].(map[string]any); ok {
		s, err := c.schema(file, more)
		if err != nil {
			return nil, err
		}
		out["type"], out["additionalProperties"] = "object", s
	}
	if t, ok := in["type"].(string); ok && t != "file" {
		out["type"] = t
	}
	if items, ok := in["items"].(map[string]any); ok {
		s, err := c.schema(file, items)
		if err != nil {
			return nil, err
		}
		out["items"] = s
	}
	for _, keyword := range []string{"enum", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern"} {
		if v, ok := in[keyword]; ok {
			out[keyword] = v
		}
	}
	if f, ok := in["format"].(string); ok {
		format(f, out)
	}
	if in["x-nullable"] == true {
		return map[string]any{"anyOf": []any{out, map[string]any{"type": "null"}}}, nil
	}
	return out, nil
}

// object converts an object with all that it inherits.
func (c *converter) object(file string, in, out map[string]any) error {
	properties, required, more := map[string]any{}, []any{}, any(false)
	if err := c.inherit(file, in, properties, &required, &more); err != nil {
		return err
	}
	out["type"], out["properties"], out["additionalProperties"] = "object", properties, more
	if len(required) > 0 {
		out["required"] = required
	}
	return nil
}

func (c *converter) inherit(file string, in, properties map[string]any, required *[]any, more *any) error {
	if all, ok := in["allOf"].([]any); ok {
		for _, part := range all {
			base, _ := part.(map[string]any)
			where := file
			if ref, ok := base["$ref"].(string); ok {
				var def string
				var err error
				if where, def, err = target(file, ref); err != nil {
					return err
				}
				if c.files[where] == nil || c.files[where].Definitions[def] == nil {
					return fmt.Errorf("no definition %s in %s", def, where)
				}
				base = c.files[where].Definitions[def]
			}
			if err := c.inherit(where, base, properties, required, more); err != nil {
				return err
			}
		}
	}
	own, _ := in["properties"].(map[string]any)
	for _, key := range sorted(own) {
		property, _ := own[key].(map[string]any)
		if m, ok := property["x-ms-mutability"].([]any); ok && !slices.Contains(m, any("read")) {
			properties[key] = false // can be written, never read
			continue
		}
		s, err := c.schema(file, property)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		properties[key] = s
	}
	if r, ok := in["required"].([]any); ok {
		for _, key := range r {
			if !slices.Contains(*required, key) {
				*required = append(*required, key)
			}
		}
	}
	switch extra := in["additionalProperties"].(type) {
	case map[string]any:
		s, err := c.schema(file, extra)
		if err != nil {
			return err
		}
		*more = s
	case bool:
		*more = extra
	}
	return nil
}

// format makes the formats of OpenAPI and AutoRest checkable.
func format(f string, out map[string]any) {
	switch f {
	case "int32":
		out["minimum"], out["maximum"] = math.MinInt32, math.MaxInt32
	case "byte":
		out["pattern"] = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
	case "base64url":
		out["pattern"] = "^[A-Za-z0-9_-]*$"
	case "date-time", "uuid":
		out["format"] = f
	case "unixtime":
		out["minimum"] = 0
	}
}

// isList says whether a schema is an array or an object with an array named value.
func (c *converter) isList(file string, schema map[string]any) bool {
	if ref, ok := schema["$ref"].(string); ok {
		where, def, err := target(file, ref)
		if err != nil || c.files[where] == nil {
			return false
		}
		schema = c.files[where].Definitions[def]
	}
	if schema["type"] == "array" {
		return true
	}
	properties, _ := schema["properties"].(map[string]any)
	value, _ := properties["value"].(map[string]any)
	return value["type"] == "array"
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
