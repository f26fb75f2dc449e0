package jsondoc

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure/scan"
)

// Member is a member of an object, by its name or, where there is none of that name,
// by one in other letters: providers do not agree about them.
func Member(object gjson.Result, name string) gjson.Result {
	var exact, folded gjson.Result
	if !object.IsObject() {
		return exact
	}
	object.ForEach(func(key, value gjson.Result) bool {
		switch {
		case key.Str == name:
			exact = value
			return false
		case !folded.Exists() && strings.EqualFold(key.Str, name):
			folded = value
		}
		return true
	})
	if exact.Exists() {
		return exact
	}
	return folded
}

// Text is one member of a document, "" when it is no text.
func Text(of []byte, name string) string {
	if value := gjson.GetBytes(of, name); value.Type == gjson.String {
		return value.Str
	}
	if value := Member(gjson.ParseBytes(scan.Trim(of)), name); value.Type == gjson.String {
		return strings.Clone(value.Str) // not with the document that it is a part of
	}
	return ""
}

// Weight is how much a document says: the number of its members and elements. It is
// one pass without recursion.
func Weight(document []byte) uint32 {
	weight, inText := uint64(1), false
	for i := 0; i < len(document); i++ {
		switch c := document[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case !inText && (c == ':' || c == ','):
			weight++
		}
	}
	return uint32(min(weight, math.MaxUint32))
}

// Covers reports whether a document has all that another says, and says it likewise.
func Covers(full, short []byte) bool {
	a, b := valueOf(full), valueOf(short)
	if a == nil || b == nil {
		return false
	}
	return has(a, b)
}

// valueOf decodes a document, nil for one that is none.
func valueOf(document []byte) any {
	d := json.NewDecoder(bytes.NewReader(scan.Trim(document)))
	d.UseNumber()
	var value any
	if d.Decode(&value) != nil {
		return nil
	}
	return value
}

func has(a, b any) bool {
	switch b := b.(type) {
	case nil:
		return true // null says nothing
	case map[string]any:
		of, ok := a.(map[string]any)
		if !ok {
			return false
		}
		for name, value := range b {
			if other, there := of[name]; value != nil && (!there || !has(other, value)) {
				return false
			}
		}
		return true
	case []any:
		of, ok := a.([]any)
		if !ok || len(of) < len(b) {
			return false
		}
		for i := range b {
			if !has(of[i], b[i]) {
				return false
			}
		}
		return true
	default:
		return a == b
	}
}
