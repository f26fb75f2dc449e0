package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// sbom writes what the programs of a bundle are made of, as CycloneDX. It is read from the
// programs themselves and not from go.mod, which names more than is linked.
func (p *bundle) sbom(path, version string) error {
	modules := map[string]*debug.Module{}
	var toolchain string
	main := cdx.Component{BOMRef: "infrabackup", Type: cdx.ComponentTypeApplication, Name: "infrabackup", Version: version, Components: &[]cdx.Component{}}
	names := make([]string, 0, len(p.programs))
	for name := range p.programs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		info, err := buildinfo.ReadFile(p.programs[name])
		if err != nil {
			return fmt.Errorf("%s tells nothing of its modules: %w", name, err)
		}
		data, err := os.ReadFile(p.programs[name])
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		*main.Components = append(*main.Components, cdx.Component{BOMRef: "usr/bin/" + name, Type: cdx.ComponentTypeFile, Name: "usr/bin/" + name,
			Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}}})
		toolchain = info.GoVersion
		for _, m := range info.Deps {
			modules[m.Path+"@"+m.Version] = m
		}
	}
	components := []cdx.Component{{BOMRef: "std", Type: cdx.ComponentTypeLibrary, Name: "std", Version: toolchain, PackageURL: "pkg:golang/std@" + strings.TrimPrefix(toolchain, "go")}}
	for _, m := range modules {
		used := m
		if m.Replace != nil {
			used = m.Replace
		}
		ref := "pkg:golang/" + used.Path + "@" + used.Version
		components = append(components, cdx.Component{BOMRef: ref, Type: cdx.ComponentTypeLibrary, Name: used.Path, Version: used.Version, PackageURL: ref,
			Properties: &[]cdx.Property{{Name: "infrabackup:go.sum", Value: used.Sum}}})
	}
	slices.SortFunc(components, func(a, b cdx.Component) int { return cmp.Compare(a.BOMRef, b.BOMRef) })
	refs := make([]string, 0, len(components))
	for _, c := range components {
		refs = append(refs, c.BOMRef)
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Timestamp: p.modified.Format(time.RFC3339), Component: &main, Properties: &[]cdx.Property{{Name: "infrabackup:commit", Value: p.commit}}}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: "infrabackup", Dependencies: &refs}}
	var out bytes.Buffer
	if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}
