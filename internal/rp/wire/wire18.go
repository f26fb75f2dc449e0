package wire

// What 2018-09-01 spells its own way: a certificate and no key. Backups of 2021-09-01 are the
// same.

type locationBody18 struct {
	Resource
	Properties struct {
		Store store18 `json:"externalStoreDefault"`
	} `json:"properties"`
}

type store18 struct {
	Path                        string  `json:"path"`
	UserName                    string  `json:"userName"`
	Password                    *string `json:"password"`             // always null
	EncryptionCertBase64        *string `json:"encryptionCertBase64"` // always null
	EncryptionCertThumbprint    *string `json:"encryptionCertThumbprint"`
	BackupFrequencyInHours      int     `json:"backupFrequencyInHours"`
	AvailableCapacity           *string `json:"availableCapacity"`
	IsBackupSchedulerEnabled    bool    `json:"isBackupSchedulerEnabled"`
	NextBackupTime              *string `json:"nextBackupTime"`
	LastBackupTime              *string `json:"lastBackupTime"`
	BackupRetentionPeriodInDays int     `json:"backupRetentionPeriodInDays"`
}

func newStore18(s Store) store18 {
	return store18{
		Path: s.Path, UserName: s.User, EncryptionCertThumbprint: s.Thumbprint, BackupFrequencyInHours: s.Frequency, AvailableCapacity: s.Capacity,
		IsBackupSchedulerEnabled: s.Scheduled, NextBackupTime: s.Next, LastBackupTime: s.Last, BackupRetentionPeriodInDays: s.Retention,
	}
}

// Location18 makes the body of a location.
func Location18(r Resource, s Store) any {
	body := locationBody18{Resource: r}
	body.Properties.Store = newStore18(s)
	return body
}

type backupBody18 struct {
	Resource
	Properties struct {
		Info backupInfo18 `json:"backupInfo"`
	} `json:"properties"`
}

type backupInfo18 struct {
	BackupDataVersion        string       `json:"backupDataVersion"`
	BackupID                 string       `json:"backupId"`
	RoleStatus               []RoleStatus `json:"roleStatus"`
	Status                   string       `json:"status"`
	CreatedDateTime          *string      `json:"createdDateTime"`
	TimeTakenToCreate        string       `json:"timeTakenToCreate"`
	DeploymentID             string       `json:"deploymentID"`
	StampVersion             *string      `json:"stampVersion"` // always null: it is not known
	OemVersion               *string      `json:"oemVersion"`   // always null
	IsCloudRecoveryReady     bool         `json:"isCloudRecoveryReady"`
	EncryptionCertThumbprint *string      `json:"encryptionCertThumbprint"`
	CompletelyUploaded       bool         `json:"completelyUploaded"`
	IsAutomaticBackup        bool         `json:"isAutomaticBackup"`
}

// Backup18 makes the body of a backup.
func Backup18(r Resource, b Backup) any {
	body := backupBody18{Resource: r}
	body.Properties.Info = backupInfo18{
		BackupDataVersion: DataVersion, BackupID: b.ID, RoleStatus: b.Roles, Status: b.Status, CreatedDateTime: b.Created,
		TimeTakenToCreate: b.Elapsed, DeploymentID: b.DeploymentID, IsCloudRecoveryReady: b.RecoveryReady,
		EncryptionCertThumbprint: b.Thumbprint, CompletelyUploaded: b.Uploaded, IsAutomaticBackup: b.Automatic,
	}
	return body
}

const providerName = "Microsoft Backup Resource Provider."

// Operations18 are the operations as Microsoft's example lists them. Clients compare them with
// roles of theirs, so there are no others.
var Operations18 = []Operation{
	{"Microsoft.Backup.Admin/backupLocations/read", Display{providerName, "Backup location", "Returns backup locations", "Location where backups are saved."}},
	{"Microsoft.Backup.Admin/backupLocations/createBackup/action", Display{providerName, "Backup", "Create a new backup", "Create a new backup."}},
	{"Microsoft.Backup.Admin/backupLocations/backups/read", Display{providerName, "Backup", "Get a backup", "Gets the backups."}},
	{"Microsoft.Backup.Admin/backupLocations/backups/restore/action", Display{providerName, "Backup", "Restore a backup.", "Restore a previous backup."}},
}
