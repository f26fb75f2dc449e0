package repository

import (
	"time"

	"infrabackup/internal/repository/drills"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/ledger"
	"infrabackup/internal/repository/restores"
	"infrabackup/internal/share"
)

// maxBackups bounds the folders in backups/.
const maxBackups = 10_000

// Repository is the folder of one instance on a store.
type Repository struct {
	signedFiles
	instanceFiles
	anchorStore
	prober

	files *folder.Folder
	now   func() time.Time // time.Now outside tests
}

// New returns the instance's repository. Nothing is read or written. Instance must
// satisfy [backup.ValidateInstanceName].
func New(store share.Store, instance string) *Repository {
	files := folder.New(store, instance)
	return &Repository{
		signedFiles: signedFiles{files}, instanceFiles: instanceFiles{files}, anchorStore: anchorStore{files}, prober: prober{files},
		files: files, now: time.Now,
	}
}

// Files are the files of the instance's folder, for the packages that stand on this one.
func (r *Repository) Files() *folder.Folder { return r.files }

// Ledger is the ledger of the instance.
func (r *Repository) Ledger() *ledger.Dir { return ledger.In(r.files) }

// Drills are the certificates of drills that lie beside the backups.
func (r *Repository) Drills() *drills.Dir { return drills.In(r.files) }

// Restores are the plans and journals of restores by workers.
func (r *Repository) Restores() *restores.Dir { return restores.In(r.files) }

// String names the folder for people.
func (r *Repository) String() string { return r.files.String() }
