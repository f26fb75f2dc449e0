package audit

import (
	"bytes"
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/seal"
)

// expectSizes takes the sizes of the files from the manifest, when it is the one that
// the sums name: whoever makes a file of many gigabytes of a small one must not keep
// the verification busy reading it. What is wrong with the manifest is said later.
func (v *verification) expectSizes(ctx context.Context) error {
	size, ok := v.sizes[backup.ManifestFile]
	if !ok || size > backup.MaxManifestBytes {
		return nil
	}
	data, ok := v.read[backup.ManifestFile]
	if !ok {
		var err error
		data, err = v.files.Read(ctx, v.at(backup.ManifestFile), backup.MaxManifestBytes)
		if folder.IsMissing(err) || folder.IsUnusable(err) {
			return nil
		}
		if err != nil {
			return err
		}
		v.read[backup.ManifestFile] = data
	}
	if !v.named(folder.Describe(backup.ManifestFile, data)) {
		return nil
	}
	m, err := backup.DecodeManifest(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	v.expected = map[string]int64{}
	for _, file := range m.Files {
		v.expected[file.Name] = file.Size
	}
	return nil
}

// named reports whether the sums have the file with that digest.
func (v *verification) named(file backup.File) bool {
	for _, want := range v.sums {
		if want.Name == file.Name {
			return want.SHA256 == file.SHA256
		}
	}
	return false
}

// fitting reports whether a file has a size that it can have, so that it is worth
// reading. Otherwise that is a finding, except that [verification.checkManifest] says it
// of the manifest.
func (v *verification) fitting(name string, size int64) bool {
	want, known := v.expected[name]
	switch {
	case name == backup.ManifestFile:
		return size <= backup.MaxManifestBytes
	case name == v.keyName && size > seal.MaxKeyFile:
		v.find(name, "the file is longer than a wrapped key can be")
		return false
	case known && size != want:
		v.find(name, "the file's size is not the one in the manifest")
		return false
	}
	return true
}

// denied makes a finding of a file that the account may not read, while it may list the
// folder that the file is in. Other errors, and those of a share that refuses more than
// that, are returned.
func (v *verification) denied(ctx context.Context, name string, err error) error {
	if fault.CodeOf(err) != fault.ShareAccessDenied {
		return err
	}
	if _, err := v.files.List(ctx, v.files.At(v.folder)); err != nil {
		return err
	}
	v.add(folder.Denied(v.at(name), err))
	return nil
}
