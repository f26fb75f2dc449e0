package backup

import "time"

// Overview is a backup as people and scripts see it: in lists, in results and in
// the command line's JSON.
type Overview struct {
	BackupID    ID        `json:"backupId"`
	Status      Status    `json:"status"`
	StartedAt   time.Time `json:"startedAt"`
	FinishedAt  time.Time `json:"finishedAt,omitzero"`
	Path        string    `json:"path"` // folder relative to the share's path, empty before it is published
	TotalBytes  int64     `json:"totalBytes"`
	RequestedBy string    `json:"requestedBy,omitempty"`
	// Recipients are the keys that open the backup now. Lists leave them out.
	Recipients []Recipient     `json:"recipients,omitempty"`
	Services   []ServiceResult `json:"services"`
	// Consistency tells how well the services fit together, nil where nobody checked:
	// in runs without a manifest and in backups of earlier versions. Lists have its
	// numbers only.
	Consistency *Consistency `json:"consistency,omitempty"`
	// Foreign is what lay in the backup's folder and was not its own, when it was
	// published or deleted.
	Foreign Foreign `json:"foreign,omitzero"`
	Code    string  `json:"code,omitempty"`    // why the backup as a whole failed
	Message string  `json:"message,omitempty"` // the same in words
}

// Overview tells what the manifest says, of a backup that lies at path.
func (m *Manifest) Overview(path string) Overview {
	return Overview{
		BackupID: m.BackupID, Status: m.Status, StartedAt: m.StartedAt, FinishedAt: m.FinishedAt,
		Path: path, TotalBytes: m.TotalBytes, RequestedBy: m.RequestedBy, Services: m.Services,
		Consistency: m.Consistency, Recipients: m.Recipients,
	}
}
