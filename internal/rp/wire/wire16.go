package wire

// What 2016-05-01 spells its own way: a symmetric key and no certificate.

type locationBody16 struct {
	Resource
	Properties struct {
		Store store16 `json:"externalStoreDefault"`
	} `json:"properties"`
}

type store16 struct {
	Path                        string  `json:"path"`
	UserName                    string  `json:"userName"`
	Password                    *string `json:"password"`            // always null
	EncryptionKeyBase64         *string `json:"encryptionKeyBase64"` // always null
	BackupFrequencyInHours      int     `json:"backupFrequencyInHours"`
	AvailableCapacity           *string `json:"availableCapacity"`
	IsBackupSchedulerEnabled    bool    `json:"isBackupSchedulerEnabled"`
	NextBackupTime              *string `json:"nextBackupTime"`
	LastBackupTime              *string `json:"lastBackupTime"`
	BackupRetentionPeriodInDays int     `json:"backupRetentionPeriodInDays"`
}

// Location16 makes the body of a location.
func Location16(r Resource, s Store) any {
	body := locationBody16{Resource: r}
	body.Properties.Store = store16{
		Path: s.Path, UserName: s.User, BackupFrequencyInHours: s.Frequency, AvailableCapacity: s.Capacity, IsBackupSchedulerEnabled: s.Scheduled,
		NextBackupTime: s.Next, LastBackupTime: s.Last, BackupRetentionPeriodInDays: s.Retention,
	}
	return body
}

type backupBody16 struct {
	Resource
	Properties struct {
		Info backupInfo16 `json:"backupInfo"`
	} `json:"properties"`
}

type backupInfo16 struct {
	BackupDataVersion string       `json:"backupDataVersion"`
	BackupID          string       `json:"backupId"`
	RoleStatus        []RoleStatus `json:"roleStatus"`
	Status            string       `json:"status"`
	CreatedDateTime   *string      `json:"createdDateTime"`
	TimeTakenToCreate string       `json:"timeTakenToCreate"`
	DeploymentID      string       `json:"deploymentID"`
	StampVersion      *string      `json:"stampVersion"` // always null: it is not known
	OemVersion        *string      `json:"oemVersion"`   // always null
}

// Backup16 makes the body of a backup.
func Backup16(r Resource, b Backup) any {
	body := backupBody16{Resource: r}
	body.Properties.Info = backupInfo16{
		BackupDataVersion: DataVersion, BackupID: b.ID, RoleStatus: b.Roles, Status: b.Status, CreatedDateTime: b.Created,
		TimeTakenToCreate: b.Elapsed, DeploymentID: b.DeploymentID,
	}
	return body
}
