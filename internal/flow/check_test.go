package flow

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow/diffs"
	"infrabackup/internal/flow/drills"
	"infrabackup/internal/flow/restores"
	"infrabackup/internal/secret"
)

const (
	checkedID     = backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")
	checkedDigest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
)

func checkedFile(name string) backup.File {
	return backup.File{Name: name, Size: 1, SHA256: checkedDigest}
}

// good returns one input of each kind that this product sends, for an ID, an instance and
// the name of a file that others try to choose.
func good(id backup.ID, instance, file string) map[string]Input {
	f := checkedFile(file)
	return map[string]Input{
		"CheckShare":      CheckShareInput{Instance: instance, BackupID: id},
		"PrepareKey":      PrepareKeyInput{BackupID: id, Revision: 1},
		"Collect":         CollectInput{BackupID: id, Service: backup.AD, WorkKeyID: "k1"},
		"UploadPart":      UploadPartInput{BackupID: id, Revision: 1, Service: backup.AD, Part: f, Index: f},
		"SealBackup":      SealBackupInput{BackupID: id, Revision: 1, WorkKeyID: "k1", Key: f, Parts: []backup.File{f}, Indexes: []ServiceIndex{{Service: backup.AD, File: f}}},
		"PublishBackup":   PublishBackupInput{BackupID: id, Revision: 1, Sealed: []backup.File{f}},
		"ReleaseSpool":    ReleaseSpoolInput{BackupID: id},
		"DiscardBackup":   DiscardBackupInput{BackupID: id, Revision: 1},
		"ProbeShare":      ProbeShareInput{Instance: instance, Revision: 1},
		"CopyBackups":     CopyBackupsInput{Instance: instance, Revision: 1},
		"SettleChange":    SettleChangeInput{Instance: instance, Revision: 1},
		"RestoreSettings": AdoptSettingsInput{Instance: instance},
		"ListBackups":     ListInput{Instance: instance, BackupID: id},
		"ReadKeyFile":     KeyFileInput{Instance: instance, BackupID: id},
		"ReadRestores":    restores.Input{Instance: instance},
		"ReadDrills":      drills.Input{Instance: instance, Count: 1},
		"CompareBackups":  diffs.Input{Instance: instance, A: diffs.Side{BackupID: id, Key: secret.NewTransfer(secret.New("key"))}, B: diffs.Side{BackupID: id, Key: secret.NewTransfer(secret.New("key"))}},
		"VerifyBackup":    VerifyInput{Instance: instance, BackupID: id},
		"AuditShare":      AuditInput{Instance: instance},
		"DeleteBackup":    DeleteInput{Instance: instance, BackupID: id},
		"DiagnoseHost":    DiagnoseInput{Instance: instance},
		"ReplaceKeys":     RewrapInput{Instance: instance, Revision: 1, Keys: []WrappedKey{{BackupID: id}}},
		"MakeChallenges":  ChallengeInput{Instance: instance, Revision: 1, Backups: []backup.ID{id}},
		"SwapBackup":      ReencryptInput{Instance: instance, Revision: 1, BackupID: id, Staged: checkedDigest},
	}
}

func TestInputsAreThoseOfThisProduct(t *testing.T) {
	for name, in := range good(checkedID, "local", "ad.tar.zst.age") {
		require.NoError(t, in.Check("local"), name)
	}
	plain := good(checkedID, "local", "ad.tar.zst.age")
	refuses := func(what string, all map[string]Input) {
		for name, in := range all {
			if !reflect.DeepEqual(in, plain[name]) {
				require.ErrorIs(t, in.Check("local"), fault.RequestRefused, "%s of %s", what, name)
			}
		}
	}
	for _, id := range []backup.ID{"..", "../../x", "0B1F4C2E-5A59-4B0E-9A43-5F0F0F7F6A11", checkedID + "\n", checkedID + "/x"} {
		refuses("ID "+string(id), good(id, "local", "ad.tar.zst.age"))
	}
	for _, instance := range []string{"other", "LOCAL", "local\x00"} {
		refuses("instance "+instance, good(checkedID, instance, "ad.tar.zst.age"))
	}
	for _, file := range []string{"", "..", "../key.age", "a/b", `a\b`, ".hidden", "a\nb", strings.Repeat("a", 101)} {
		refuses("file "+file, good(checkedID, "local", file))
	}
	for name, in := range map[string]Input{
		"no revision":          PrepareKeyInput{BackupID: checkedID},
		"a negative revision":  DiscardBackupInput{BackupID: checkedID, Revision: -1},
		"no service":           CollectInput{BackupID: checkedID, Service: "ad", WorkKeyID: "k"},
		"a service that is no": ReleaseSpoolInput{BackupID: checkedID, Service: "../x"},
		"a codec key":          CollectInput{BackupID: checkedID, Service: backup.AD, WorkKeyID: "a\nb"},
		"a long caller":        DeleteInput{Instance: "local", BackupID: checkedID, RequestedBy: strings.Repeat("x", maxCaller+1)},
		"one key twice":        RewrapInput{Instance: "local", Revision: 1, Keys: []WrappedKey{{BackupID: checkedID}, {BackupID: checkedID}}},
		"too many keys":        RewrapInput{Instance: "local", Revision: 1, Keys: make([]WrappedKey, RewrapBatch+1)},
		"nothing staged":       ReencryptInput{Instance: "local", Revision: 1, BackupID: checkedID},
	} {
		require.ErrorIs(t, in.Check("local"), fault.RequestRefused, name)
	}
	require.NoError(t, CheckShareInput{BackupID: checkedID}.Check("local"), "a run of an earlier version")
}
