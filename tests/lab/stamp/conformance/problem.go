package conformance

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Problem is one way in which a body is not what its definition says.
type Problem struct {
	Operation string // operationId
	Where     string // path in the body; * stands for every element of an array
	What      string
}

// String is one line for a person.
func (p Problem) String() string { return p.Operation + ": at " + p.Where + ": " + p.What }

// validate lists a body's problems, those of the table of exceptions left out.
func validate(operation string, schema *jsonschema.Schema, body []byte) []Problem {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return []Problem{{operation, "/", "no JSON: " + err.Error()}}
	}
	var failed *jsonschema.ValidationError
	if err := schema.Validate(v); err == nil {
		return nil
	} else if !errors.As(err, &failed) {
		return []Problem{{operation, "/", err.Error()}}
	}
	var out []Problem
	seen := map[Problem]bool{}
	var visit func(e *jsonschema.ValidationError)
	visit = func(e *jsonschema.ValidationError) {
		for _, cause := range e.Causes {
			visit(cause)
		}
		if len(e.Causes) > 0 {
			return
		}
		p := Problem{operation, location(e.InstanceLocation), e.ErrorKind.LocalizedString(message.NewPrinter(language.English))}
		if !seen[p] && !excepted(p) {
			seen[p] = true
			out = append(out, p)
		}
	}
	visit(failed)
	return out
}

func location(parts []string) string {
	var b strings.Builder
	for _, part := range parts {
		if _, err := strconv.Atoi(part); err == nil {
			part = "*"
		}
		b.WriteString("/" + part)
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}
