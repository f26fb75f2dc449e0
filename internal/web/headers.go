package web

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"

	"infrabackup/internal/printable"
)

// contentPolicy of pages: everything from this host, no script or style within a page, no
// frame around it.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// always are the headers of every answer.
func always(h http.Header) {
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("X-Content-Type-Options", "nosniff")
}

// ofAPI are the headers of the API, as Azure Resource Manager has them.
func ofAPI(h http.Header) {
	h.Set("Cache-Control", "no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "-1")
}

// PageHeaders sets the headers of pages; a handler may let assets be cached.
func PageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "no-store")
}

// ids name a request, in headers and log.
type ids struct {
	request, correlation, client string
}

// identify gives a request its ids and sets their headers. A correlation id is taken over
// when it is a GUID.
func (s *Server) identify(w http.ResponseWriter, r *http.Request) ids {
	id := ids{request: s.guid()}
	id.correlation = id.request
	if given := r.Header.Get("x-ms-correlation-request-id"); isGUID(given) {
		id.correlation = given
	}
	id.client = printable.Line(printable.Text(printable.Prefix(r.Header.Get("x-ms-client-request-id"), 64)), 128)
	h := w.Header()
	h.Set("x-ms-request-id", id.request)
	h.Set("x-ms-correlation-request-id", id.correlation)
	h.Set("x-ms-routing-request-id", fmt.Sprintf("%s:%s:%s", strings.ToUpper(s.config.Region), s.config.Now().UTC().Format("20060102T150405Z"), id.request))
	if strings.EqualFold(r.Header.Get("x-ms-return-client-request-id"), "true") && isGUID(r.Header.Get("x-ms-client-request-id")) {
		h.Set("x-ms-client-request-id", r.Header.Get("x-ms-client-request-id"))
	}
	return id
}

// guid makes a random one (RFC 9562, version 4).
func (s *Server) guid() string {
	var b [16]byte
	if _, err := io.ReadFull(s.config.Random, b[:]); err != nil {
		return "00000000-0000-0000-0000-000000000000" // an id is no reason to fail
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	text := hex.EncodeToString(b[:])
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}

func isGUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range []byte(text) {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return true
}
