package definition

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Shape is what a body or a part of it may be.
type Shape struct {
	// Type is object, array, string, integer, number or boolean; "" for anything.
	Type string
	// Members are an object's, by lower-case name. Open says that others are kept as they
	// are: the definition says nothing of them, or Rest says what they are.
	Members  map[string]*Member
	Open     bool
	Rest     *Shape
	Required []string // names with their own case
	Items    *Shape   // an array's
	Enum     []string
	Pattern  *regexp.Regexp
	// Minimum, Maximum, MinLength and MaxLength are nil for no bound.
	Minimum, Maximum     *float64
	MinLength, MaxLength *int
}

// Member is a member of an object.
type Member struct {
	Name     string
	ReadOnly bool // a client's value is dropped
	Shape    *Shape
}

// maxDepth is how deep a body may nest.
const maxDepth = 64

// maxProblems bounds what Clean lists.
const maxProblems = 20

// Clean gives what a provider takes of a value: numbers are json.Number, as they were
// written. The value is not changed. problems are what it refuses, by JSON path.
func (s *Shape) Clean(value any) (cleaned any, problems []string) {
	c := cleaner{}
	cleaned = c.value(s, value, "", 0)
	return cleaned, c.problems
}

type cleaner struct{ problems []string }

func (c *cleaner) wrong(path, format string, args ...any) any {
	if len(c.problems) < maxProblems {
		if path == "" {
			path = "the body"
		}
		c.problems = append(c.problems, path+": "+fmt.Sprintf(format, args...))
	}
	return nil
}

func (c *cleaner) value(s *Shape, value any, path string, depth int) any {
	if depth > maxDepth {
		return c.wrong(path, "nested too deep")
	}
	switch s.Type {
	case "object":
		object, ok := value.(map[string]any)
		if !ok {
			return c.wrong(path, "want an object")
		}
		return c.object(s, object, path, depth)
	case "array":
		array, ok := value.([]any)
		if !ok {
			return c.wrong(path, "want an array")
		}
		out := make([]any, 0, len(array))
		for i, element := range array {
			at := path + "[" + strconv.Itoa(i) + "]"
			if element == nil {
				c.wrong(at, "want no null")
				continue
			}
			if s.Items == nil {
				out = append(out, element)
				continue
			}
			out = append(out, c.value(s.Items, element, at, depth+1))
		}
		return out
	case "string":
		text, ok := value.(string)
		if !ok {
			return c.wrong(path, "want a string")
		}
		return c.text(s, text, path)
	case "boolean":
		if _, ok := value.(bool); !ok {
			return c.wrong(path, "want true or false")
		}
	case "integer", "number":
		number, ok := value.(json.Number)
		if !ok {
			return c.wrong(path, "want a number")
		}
		return c.number(s, number, path)
	}
	return value
}

func (c *cleaner) object(s *Shape, object map[string]any, path string, depth int) any {
	out := make(map[string]any, len(object))
	for name, value := range object {
		member := s.Members[strings.ToLower(name)]
		at := strings.TrimPrefix(path+"."+name, ".")
		switch {
		case value == nil && (member != nil || s.Rest != nil): // as if it were not there
		case member == nil && s.Rest != nil:
			out[name] = c.value(s.Rest, value, at, depth+1)
		case member == nil && s.Open:
			out[name] = value
		case member == nil || member.ReadOnly:
		default:
			if _, twice := out[member.Name]; twice {
				c.wrong(at, "given more than once")
				continue
			}
			out[member.Name] = c.value(member.Shape, value, at, depth+1)
		}
	}
	for _, name := range s.Required {
		member := s.Members[strings.ToLower(name)]
		if _, ok := out[name]; !ok && (member == nil || !member.ReadOnly) {
			c.wrong(strings.TrimPrefix(path+"."+name, "."), "is required")
		}
	}
	return out
}

func (c *cleaner) text(s *Shape, text, path string) any {
	n := len([]rune(text))
	switch {
	case s.MinLength != nil && n < *s.MinLength, s.MaxLength != nil && n > *s.MaxLength:
		return c.wrong(path, "has a wrong length")
	case s.Pattern != nil && !s.Pattern.MatchString(text):
		return c.wrong(path, "does not match %s", s.Pattern)
	case len(s.Enum) == 0:
		return text
	}
	at := slices.IndexFunc(s.Enum, func(e string) bool { return strings.EqualFold(e, text) })
	if at < 0 {
		return c.wrong(path, "%q is none of %s", text, strings.Join(s.Enum, ", "))
	}
	return s.Enum[at]
}

func (c *cleaner) number(s *Shape, number json.Number, path string) any {
	f, err := number.Float64()
	if err != nil {
		return c.wrong(path, "is no number")
	}
	if s.Type == "integer" && f != float64(int64(f)) {
		return c.wrong(path, "want a whole number")
	}
	if s.Minimum != nil && f < *s.Minimum || s.Maximum != nil && f > *s.Maximum {
		return c.wrong(path, "is out of range")
	}
	return number
}
