package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"infrabackup/internal/printable"
	"infrabackup/internal/restore/mapping"
)

// maxDepth is far above what the configuration needs.
const maxDepth = 16

// mistake is an error at a place in the file.
type mistake struct {
	line int
	key  string // dotted path, empty for the whole file
	text string
}

func (m *mistake) Error() string {
	switch {
	case m.key == "" && m.line == 0:
		return m.text
	case m.key == "":
		return fmt.Sprintf("line %d: %s", m.line, m.text)
	case m.line == 0:
		return fmt.Sprintf("%s: %s", m.key, m.text)
	default:
		return fmt.Sprintf("line %d: %s: %s", m.line, m.key, m.text)
	}
}

// decodeStrict decodes one YAML document into the struct that out points to and
// returns the line of every key that is set. Unknown and repeated keys, wrong
// types, anchors, aliases, merge keys and further documents are mistakes. Values
// never stand in its errors, because people put secrets where they do not belong.
//
// yaml.v3's own KnownFields would tell the line of a wrong value but not its key,
// and would print the value.
func decodeStrict(data []byte, out any) (map[string]int, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, &mistake{text: "the file is empty"}
	case err != nil:
		return nil, syntaxMistake(err)
	}
	var next yaml.Node
	switch err := decoder.Decode(&next); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, syntaxMistake(err)
	default:
		return nil, &mistake{line: next.Line, text: "a second YAML document follows; one is wanted"}
	}
	if document.Kind != yaml.DocumentNode || len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return nil, &mistake{line: 1, text: "the file is not a mapping of keys to values"}
	}
	lines := map[string]int{}
	return lines, decodeMapping(document.Content[0], reflect.ValueOf(out).Elem(), "", lines, 0)
}

var syntaxLine = regexp.MustCompile(`^line (\d+): `)

// syntaxMistake keeps yaml's own words, which quote no values, on one line.
func syntaxMistake(err error) *mistake {
	text, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "yaml: "), "\n")
	m := &mistake{}
	if found := syntaxLine.FindStringSubmatch(text); found != nil {
		m.line, _ = strconv.Atoi(found[1]) // digits; a number too large stays 0
		text = text[len(found[0]):]
	}
	m.text = "not YAML: " + text
	return m
}

func decodeMapping(node *yaml.Node, out reflect.Value, path string, lines map[string]int, depth int) error {
	if depth > maxDepth {
		return &mistake{line: node.Line, key: path, text: "nested too deeply"}
	}
	fields := fieldsOf(out.Type())
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		if name.Kind != yaml.ScalarNode || name.Tag != "!!str" {
			return &mistake{line: name.Line, key: path, text: "a key is not a plain word"}
		}
		key := join(path, name.Value)
		index, known := fields[name.Value]
		if !known {
			return &mistake{line: name.Line, key: key, text: "unknown key; known here: " + strings.Join(namesOf(out.Type()), ", ")}
		}
		if _, repeated := lines[key]; repeated {
			return &mistake{line: name.Line, key: key, text: "the key appears twice"}
		}
		lines[key] = name.Line
		if err := decodeValue(value, out.Field(index), key, lines, depth); err != nil {
			return err
		}
	}
	return nil
}

func decodeValue(node *yaml.Node, out reflect.Value, key string, lines map[string]int, depth int) error {
	wrong := func(want string) error {
		return &mistake{line: node.Line, key: key, text: "want " + want}
	}
	if node.Kind == yaml.AliasNode || node.Anchor != "" {
		return wrong("a value without anchors and aliases")
	}
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		// Not as if it were left out: whoever wrote the key meant something by it, and
		// would not learn that nothing comes of it.
		return &mistake{line: node.Line, key: key, text: "missing: the key is there without a value; give one, or remove the key"}
	}
	if out.Kind() == reflect.Pointer {
		out.Set(reflect.New(out.Type().Elem()))
		out = out.Elem()
	}
	if out.Kind() == reflect.Struct {
		if node.Kind != yaml.MappingNode {
			return wrong("a mapping of keys to values")
		}
		return decodeMapping(node, out, key, lines, depth+1)
	}
	switch out.Kind() {
	case reflect.Slice:
		if node.Kind != yaml.SequenceNode {
			return wrong("a list")
		}
		return decodeList(node, out, key, lines, depth+1)
	case reflect.Map:
		if node.Kind != yaml.MappingNode {
			return wrong("a mapping of names to words")
		}
		return decodeNames(node, out, key, lines)
	}
	if node.Kind != yaml.ScalarNode {
		return wrong("a single value")
	}
	switch target := out.Addr().Interface().(type) {
	case *time.Duration:
		d, err := time.ParseDuration(node.Value)
		if err != nil {
			return wrong("a duration such as 20s or 5m")
		}
		*target = d
	case *string:
		if node.Tag != "!!str" {
			return wrong("text; put it in quotes if it looks like a number, a date or a truth value")
		}
		*target = node.Value
	case *int:
		if node.Tag != "!!int" || node.Decode(target) != nil {
			return wrong("a whole number")
		}
	case *bool:
		if node.Tag != "!!bool" || node.Decode(target) != nil {
			return wrong("true or false")
		}
	default:
		return fmt.Errorf("config: field %s has type %T, which the decoder does not know", key, target)
	}
	return nil
}

// maxElements bounds a list, and maxNames a mapping of names.
const (
	maxElements = 1000
	maxNames    = mapping.MaxNames
)

// decodeList decodes a list; its elements are keys with their place, such as hosts[0].
func decodeList(node *yaml.Node, out reflect.Value, key string, lines map[string]int, depth int) error {
	if depth > maxDepth || len(node.Content) > maxElements {
		return &mistake{line: node.Line, key: key, text: "nested too deeply, or too long"}
	}
	out.Set(reflect.MakeSlice(out.Type(), len(node.Content), len(node.Content)))
	for i, element := range node.Content {
		place := fmt.Sprintf("%s[%d]", key, i)
		lines[place] = element.Line
		if err := decodeValue(element, out.Index(i), place, lines, depth); err != nil {
			return err
		}
	}
	return nil
}

// decodeNames decodes a mapping of free names to words.
func decodeNames(node *yaml.Node, out reflect.Value, key string, lines map[string]int) error {
	names := map[string]string{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		switch {
		case i >= 2*maxNames:
			return &mistake{line: name.Line, key: key, text: "too long"}
		case name.Kind != yaml.ScalarNode || name.Tag != "!!str" || value.Kind != yaml.ScalarNode || value.Tag != "!!str":
			return &mistake{line: name.Line, key: key, text: "want names and words; put them in quotes if they look like a number, a date or a truth value"}
		}
		if name.Anchor != "" || value.Anchor != "" {
			return &mistake{line: name.Line, key: key, text: "want values without anchors and aliases"}
		}
		if _, repeated := names[name.Value]; repeated {
			return &mistake{line: name.Line, key: key, text: "a name appears twice"}
		}
		names[name.Value] = value.Value
		lines[key+"."+name.Value] = name.Line
	}
	out.Set(reflect.ValueOf(names))
	return nil
}

// fieldsOf maps the YAML names of a struct's fields to their indexes.
func fieldsOf(t reflect.Type) map[string]int {
	fields := map[string]int{}
	for i, name := range namesOf(t) {
		fields[name] = i
	}
	return fields
}

func namesOf(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("yaml")
	}
	return names
}

func join(path, name string) string {
	name = printable.Clip(name, 64)
	if path == "" {
		return name
	}
	return path + "." + name
}
