package jsonbody

import (
	"encoding/base64"
	"strings"
)

// Base64 takes standard base64, also with line breaks, as tools write it.
func Base64(text string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.NewReplacer("\r", "", "\n", "").Replace(text))
}
