package assets

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
)

// files are the page's own files and those of others; SHA256SUMS and the licences lie beside.
//
//go:embed *.css *.js *.svg
var files embed.FS

// served are the files that a browser gets, by name, with the beginning of their digest,
// which makes an address change with its content.
var served = func() map[string]string {
	digests := map[string]string{}
	for _, name := range []string{"portal.css", "portal.js", "key.js", "htmx.min.js", "hx-sse.min.js", "icon.svg"} {
		content, err := files.ReadFile(name)
		if err != nil {
			panic(err) // it is embedded, or this does not compile
		}
		sum := sha256.Sum256(content)
		digests[name] = hex.EncodeToString(sum[:6])
	}
	return digests
}()

var contentTypes = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// Path is the address of a file.
func Path(name string) string { return "/assets/" + name + "?v=" + served[name] }

// Serve answers for a file, which the pattern of the address calls name.
func Serve(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if served[name] == "" {
		http.NotFound(w, r)
		return
	}
	content, err := files.ReadFile(name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", contentTypes[strings.ToLower(path.Ext(name))])
	if r.URL.Query().Get("v") == served[name] {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(content) // the browser is gone
}
