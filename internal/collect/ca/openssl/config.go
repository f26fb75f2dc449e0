package openssl

import (
	"bytes"
	"errors"
	"strings"
)

const (
	// MaxConfigBytes bounds an openssl.cnf that is looked into.
	MaxConfigBytes = 1 << 20
	// maxConfigValues and maxValueBytes bound what its variables can expand to.
	maxConfigValues = 10_000
	maxValueBytes   = 4096
)

// Settings are the values of the default CA section of an openssl.cnf that
// matter here (ca(1)). A value that uses a variable nobody defined, such as
// easy-rsa's $ENV::EASYRSA_PKI, is left empty.
type Settings struct {
	Dir, Database, NewCerts, Certificate, Serial, CRLNumber, PrivateKey string
	RandomSerial                                                        bool
}

var (
	errNoCASection   = errors.New("configuration has no [ca] section with default_ca")
	errConfigTooMany = errors.New("configuration has too many values")
)

// ParseConfig reads the CA's settings from an openssl.cnf (config(5)): sections,
// name = value, comments, line continuation and variables. Files named by
// .include are not read.
func ParseConfig(data []byte) (Settings, error) {
	values, err := configValues(data)
	if err != nil {
		return Settings{}, err
	}
	section, ok := values["ca"]["default_ca"]
	if !ok || values[section] == nil {
		return Settings{}, errNoCASection
	}
	get := values[section]
	return Settings{
		Dir: get["dir"], Database: get["database"], NewCerts: get["new_certs_dir"], Certificate: get["certificate"],
		Serial: get["serial"], CRLNumber: get["crlnumber"], PrivateKey: get["private_key"],
		RandomSerial: has(get, "rand_serial"), // whatever its value: openssl looks whether it is there
	}, nil
}

func has(values map[string]string, name string) bool {
	_, ok := values[name]
	return ok
}

func configValues(data []byte) (map[string]map[string]string, error) {
	values := map[string]map[string]string{"default": {}}
	section, count, pending := "default", 0, ""
	for raw := range bytes.Lines(data) {
		line := pending + strings.TrimRight(stripComment(string(raw)), " \t\r\n")
		pending = ""
		if len(line) > MaxLineBytes {
			return nil, errConfigTooMany
		}
		if rest, more := strings.CutSuffix(line, `\`); more {
			pending = rest
			continue
		}
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section = strings.TrimSpace(line[1 : len(line)-1])
			if values[section] == nil {
				values[section] = map[string]string{}
			}
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		if count++; count > maxConfigValues {
			return nil, errConfigTooMany
		}
		expanded, known := expand(unquote(strings.TrimSpace(value)), section, values)
		name = strings.TrimSpace(name)
		target := section
		if s, n, qualified := strings.Cut(name, "::"); qualified && values[s] != nil {
			target, name = s, n
		}
		if known {
			values[target][name] = expanded
		} else {
			delete(values[target], name) // so that what is built on it is unknown too
		}
	}
	return values, nil
}

// stripComment cuts a line at a # outside of quotes.
func stripComment(line string) string {
	quote := byte(0)
	for i := range len(line) {
		switch c := line[i]; {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && c == '#' && (i == 0 || line[i-1] != '\\'):
			return line[:i]
		}
	}
	return line
}

func unquote(value string) string {
	if len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
		return value[1 : len(value)-1]
	}
	return value
}

// expand replaces $name, ${name}, $section::name and ${section::name} by values
// that stand further up. It reports false when one is not defined.
func expand(value, section string, values map[string]map[string]string) (string, bool) {
	var b strings.Builder
	for value != "" {
		before, after, found := strings.Cut(value, "$")
		b.WriteString(before)
		if !found {
			break
		}
		var name string
		if rest, braced := strings.CutPrefix(after, "{"); braced {
			inner, tail, closed := strings.Cut(rest, "}")
			if !closed {
				return "", false
			}
			name, value = inner, tail
		} else {
			end := nameEnd(after)
			name, value = after[:end], after[end:]
		}
		from := section
		if s, n, qualified := strings.Cut(name, "::"); qualified {
			from, name = s, n
		}
		got, ok := values[from][name]
		if !ok {
			got, ok = values["default"][name]
		}
		if !ok || b.Len()+len(got) > maxValueBytes {
			return "", false
		}
		b.WriteString(got)
	}
	if b.Len() > maxValueBytes {
		return "", false
	}
	return b.String(), true
}

// nameEnd is the length of the variable name at the start of text.
func nameEnd(text string) int {
	for i := range len(text) {
		c := text[i]
		word := c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		qualifier := c == ':' && (strings.HasPrefix(text[i:], "::") || i > 0 && text[i-1] == ':' && strings.HasPrefix(text[i-1:], "::"))
		if !word && !qualifier {
			return i
		}
	}
	return len(text)
}
