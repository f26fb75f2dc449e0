package restores

import (
	"io"

	"infrabackup/internal/privsep"
)

// maxKeyFile bounds the file with the key, in bytes.
const maxKeyFile = 64 << 10

// PasswordOf is the field with the password of the key in a field.
func PasswordOf(field string) string {
	if field == fieldKey {
		return fieldPassword
	}
	return field + "-" + fieldPassword
}

// Key takes the private key of a form out of a field: a file, and the password of a PFX. What is
// wrong is put into the page's form, and nothing of the key. The caller clears it.
func (v *View) Key(field string) (key privsep.OperatorKey, given bool) {
	key, chosen, given := v.file(field)
	switch {
	case given:
		return key, true
	case chosen:
		v.Wrong(field, "The file with the key cannot be read, or has more than 64 KiB.")
	default:
		v.Wrong(field, "Choose the file with your private key. It is not kept, so it has to be chosen again.")
	}
	return privsep.OperatorKey{}, false
}

// OptionalKey is [View.Key] where none need be given; good says that what was given can be used.
func (v *View) OptionalKey(field string) (key privsep.OperatorKey, given, good bool) {
	key, chosen, given := v.file(field)
	if chosen && !given {
		v.Wrong(field, "The file with the key cannot be read, or has more than 64 KiB.")
	}
	return key, given, given || !chosen
}

// file reads the file of a field; chosen says that there is one.
func (v *View) file(field string) (key privsep.OperatorKey, chosen, given bool) {
	password := PasswordOf(field)
	key.Password = []byte(v.Request.PostForm.Get(password))
	delete(v.Request.PostForm, password)
	if f := v.Request.MultipartForm; f != nil {
		files := f.File[field]
		chosen = len(files) == 1 && files[0].Size > 0
		if chosen && files[0].Size <= maxKeyFile {
			file, err := files[0].Open()
			if err == nil {
				key.File, err = io.ReadAll(io.LimitReader(file, maxKeyFile))
				_ = file.Close() // only read
			}
			if err == nil {
				return key, true, true
			}
		}
	}
	key.Clear()
	return privsep.OperatorKey{}, chosen, false
}
