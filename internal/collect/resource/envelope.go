package resource

import (
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/scan"
)

// Envelope is how a document lies in a part.
type Envelope struct {
	Endpoint   azure.Endpoint `json:"endpoint"`
	Type       string         `json:"type"`
	APIVersion string         `json:"apiVersion"`
	// Document is the stamp's answer, byte for byte. When it has line breaks, which a
	// record must not have, or a byte order mark or blanks around it, which readers of
	// records do not keep, or is not UTF-8, it lies in DocumentBase64 instead.
	Document       json.RawMessage `json:"document,omitempty"`
	DocumentBase64 []byte          `json:"documentBase64,omitempty"`
}

// Bytes are the stamp's answer.
func (e *Envelope) Bytes() []byte {
	if e.DocumentBase64 != nil {
		return e.DocumentBase64
	}
	return e.Document
}

// appendEnvelope encodes by hand: encoding/json would rewrite the document.
func appendEnvelope(dst []byte, r Resource) []byte {
	dst = append(dst, `{"endpoint":`...)
	dst = appendString(dst, string(r.Endpoint))
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, r.Type)
	dst = append(dst, `,"apiVersion":`...)
	dst = appendString(dst, r.Version)
	if !scan.Exact(r.Document) || !utf8.Valid(r.Document) {
		dst = append(dst, `,"documentBase64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, r.Document)
		return append(dst, `"}`...)
	}
	dst = append(dst, `,"document":`...)
	dst = append(dst, r.Document...)
	return append(dst, '}')
}

// appendString encodes a string as encoding/json does. Types and versions seldom hold
// anything that is to be escaped.
func appendString(dst []byte, s string) []byte {
	if plain(s) {
		return append(append(append(dst, '"'), s...), '"')
	}
	encoded, err := json.Marshal(s)
	if err != nil { // a string always encodes
		return append(dst, `""`...)
	}
	return append(dst, encoded...)
}

// plain reports whether a string in JSON is itself.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}
