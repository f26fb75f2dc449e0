package backup

// Verdict is the outcome of a verification: the backup is good when there is no
// finding.
type Verdict struct {
	BackupID ID        `json:"backupId"`
	Path     string    `json:"path"`
	Files    int       `json:"files"`
	Bytes    int64     `json:"bytes"`  // read and compared
	Items    int64     `json:"items"`  // decrypted and checked, 0 without an identity
	Signer   string    `json:"signer"` // fingerprint of the key that signed it
	Findings []Finding `json:"findings"`
}

// Finding is one thing that is wrong, with the file that it was found in.
type Finding struct {
	Code    string `json:"code"` // a fault code
	File    string `json:"file"` // relative to the share's path
	Message string `json:"message"`
}
