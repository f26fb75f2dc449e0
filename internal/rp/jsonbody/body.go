package jsonbody

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"infrabackup/internal/apierror"
)

// Limits of bodies. A certificate has a few KiB, a PFX at most 64 KiB before base64.
const (
	MaxBytes        = 64 << 10
	MaxRestoreBytes = 256 << 10
	maxDepth        = 16
	maxMembers      = 256
)

// Object is a JSON object by the names of its members in lower case.
type Object map[string]Field

// Field is a member with its name as it was written.
type Field struct {
	Name  string
	Value any // nil, bool, string, json.Number, []any or Object
}

// Read reads a body that has to be JSON or nothing. Nil means nothing.
func Read(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return nil, apierror.TooLong(tooLong.Limit)
	case err != nil:
		return nil, apierror.BadValue(apierror.CodeContent, "", "The body of the request could not be read.", "Send the request again.")
	case len(bytes.TrimSpace(data)) == 0:
		return nil, nil
	}
	if given := r.Header.Get("Content-Type"); given != "" {
		kind, parameters, err := mime.ParseMediaType(given)
		if charset := parameters["charset"]; err != nil || kind != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
			return nil, &apierror.Error{Status: http.StatusUnsupportedMediaType, Code: "UnsupportedMediaType",
				Message: "The media type " + apierror.Quoted(given) + " is not supported.", Remedy: "Send application/json in UTF-8."}
		}
	}
	return data, nil
}

// Parse reads one JSON object and nothing behind it. Members whose names differ only in
// case count as the same, since servers of this API are known not to tell them apart.
func Parse(data []byte) (Object, error) {
	if !utf8.Valid(data) {
		return nil, apierror.BadValue(apierror.CodeContent, "", "The body of the request is not UTF-8.", "Send application/json in UTF-8.")
	}
	p := &parser{decoder: json.NewDecoder(bytes.NewReader(data))}
	p.decoder.UseNumber()
	value, err := p.value(nil)
	if err != nil {
		return nil, err
	}
	if _, err := p.decoder.Token(); err != io.EOF {
		return nil, p.fail(nil, "has more behind its end")
	}
	o, ok := value.(Object)
	if !ok {
		return nil, p.fail(nil, "is not a JSON object")
	}
	return o, nil
}

type parser struct {
	decoder *json.Decoder
	members int
}

func (p *parser) fail(path []string, what string) error {
	return apierror.Content(strings.Join(path, "."), what)
}

func (p *parser) value(path []string) (any, error) {
	token, err := p.decoder.Token()
	if err != nil {
		return nil, p.fail(path, fmt.Sprintf("is not well-formed JSON near byte %d", p.decoder.InputOffset()))
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if len(path) >= maxDepth {
		return nil, p.fail(path, fmt.Sprintf("is nested deeper than %d levels", maxDepth))
	}
	if delim == '{' {
		return p.object(path)
	}
	return p.array(path)
}

func (p *parser) object(path []string) (any, error) {
	out := Object{}
	for p.decoder.More() {
		token, err := p.decoder.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, p.fail(path, fmt.Sprintf("is not well-formed JSON near byte %d", p.decoder.InputOffset()))
		}
		below := append(path[:len(path):len(path)], name)
		if p.members++; p.members > maxMembers {
			return nil, p.fail(nil, fmt.Sprintf("has more than %d members", maxMembers))
		}
		if _, twice := out[strings.ToLower(name)]; twice {
			return nil, p.fail(below, "is given more than once")
		}
		value, err := p.value(below)
		if err != nil {
			return nil, err
		}
		out[strings.ToLower(name)] = Field{name, value}
	}
	return out, p.close(path)
}

func (p *parser) array(path []string) (any, error) {
	out := []any{}
	for p.decoder.More() {
		if p.members++; p.members > maxMembers {
			return nil, p.fail(nil, fmt.Sprintf("has more than %d members", maxMembers))
		}
		value, err := p.value(append(path[:len(path):len(path)], "[]"))
		if err != nil {
			return nil, err
		}
		out = append(out, value)
	}
	return out, p.close(path)
}

func (p *parser) close(path []string) error {
	if _, err := p.decoder.Token(); err != nil {
		return p.fail(path, fmt.Sprintf("is not well-formed JSON near byte %d", p.decoder.InputOffset()))
	}
	return nil
}

// Empty reports whether a value stands for nothing given.
func Empty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == ""
	}
	return false
}

// String returns a member that may be null, a string, or missing.
func String(o Object, name, path string) (string, error) {
	f, ok := o[strings.ToLower(name)]
	if !ok || f.Value == nil {
		return "", nil
	}
	s, ok := f.Value.(string)
	if !ok {
		return "", apierror.Content(Join(path, f.Name), "is not a string")
	}
	return s, nil
}

// Bool returns a member that is true or false, nil when it is absent or null.
func Bool(o Object, name string) (*bool, error) {
	f, ok := o[strings.ToLower(name)]
	if !ok || f.Value == nil {
		return nil, nil
	}
	b, ok := f.Value.(bool)
	if !ok {
		return nil, apierror.Content(f.Name, "is neither true nor false")
	}
	return &b, nil
}

// Int returns a member that is an integer within bounds, nil when it is absent or null.
func Int(o Object, name string, lowest, highest int) (*int, error) {
	f, ok := o[strings.ToLower(name)]
	if !ok || f.Value == nil {
		return nil, nil
	}
	number, ok := f.Value.(json.Number)
	n, err := strconv.Atoi(number.String())
	if !ok || err != nil {
		return nil, apierror.Content(f.Name, "is not an integer")
	}
	if n < lowest || n > highest {
		return nil, apierror.BadValue("SettingsInvalid", f.Name, fmt.Sprintf("%d is not possible; nothing was changed.", n), fmt.Sprintf("Give %d to %d.", lowest, highest))
	}
	return &n, nil
}

// Only refuses members that are not named.
func (o Object) Only(path string, names ...string) error {
next:
	for key, f := range o {
		for _, name := range names {
			if key == strings.ToLower(name) {
				continue next
			}
		}
		return apierror.Content(Join(path, f.Name), "is not known here")
	}
	return nil
}

// Join names a member below another.
func Join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
