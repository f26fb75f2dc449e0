package capture

// Progress is told how far a step is. Its methods may be called concurrently.
type Progress interface {
	// StartUpload and StartReadBack begin what the next bytes belong to, of so many.
	StartUpload(total int64)
	StartReadBack(total int64)
	// SetBytes says how many bytes are done.
	SetBytes(done int64)
	// AddItem counts one more item.
	AddItem()
}
