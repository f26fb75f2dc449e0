package resource

import (
	"bytes"
	"encoding/base64"
	"encoding/json"

	"infrabackup/internal/azure"
)

// Envelope is how a document lies in a part.
type Envelope struct {
	Endpoint   azure.Endpoint `json:"endpoint"`
	Type       string         `json:"type"`
	APIVersion string         `json:"apiVersion"`
	// Document is the stamp's answer, byte for byte. When it has line breaks, which a
	// record must not have, it lies in DocumentBase64 instead.
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
	if bytes.ContainsAny(r.Document, "\r\n") {
		dst = append(dst, `,"documentBase64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, r.Document)
		return append(dst, `"}`...)
	}
	dst = append(dst, `,"document":`...)
	dst = append(dst, r.Document...)
	return append(dst, '}')
}

func appendString(dst []byte, s string) []byte {
	encoded, err := json.Marshal(s)
	if err != nil { // a string always encodes
		return append(dst, `""`...)
	}
	return append(dst, encoded...)
}
