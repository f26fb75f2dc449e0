package spec

import "embed"

// Definitions are Microsoft's OpenAPI 2.0 files, each below a folder of its api-version.
//
//go:embed arm azurestack-admin
var Definitions embed.FS

// Written are those of our own hand, below "written": APIs for which none of
// Microsoft's is at hand, and the common types that their files refer to.
//
//go:embed written
var Written embed.FS
