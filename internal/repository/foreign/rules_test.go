package foreign

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
)

const folder = "20261122T083000Z_0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"

func TestResembles(t *testing.T) {
	everywhere := []string{
		"@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", ".snapshot", "~snapshot", ".DS_Store", "Thumbs.db",
		"desktop.ini", "notes (1).txt", "~$x.tmp", "extra", "New folder", "a b", "ä", "\xff", "\x1b[2J", "\u202etxt.exe", "x\u200by",
		"20261122.txt", "con", "dot.", "._key.age", ".key.age.next", "._" + folder, ".~lock.00000001.entry#", ".nfs000000000001",
		"README.txt", "report.age.pdf", "", " ", ".", "\u200b",
	}
	for place, names := range map[Place][]string{
		Instance: {"Backups", "BACKUPS", "ledger.", "Allowed_Signers", "allowed_signers ", "allowed\u200b_signers", "controller.json.next", "recovery.TXT"},
		Backups:  {folder + " (1)", "Copy of " + folder, "20261122T083000Z_x", "0B1F4C2E-5a59-4b0e-9a43-5f0f0f7f6a11", folder + ".old"},
		Backup: {"key.age.next", "KEY.AGE", "Manifest.json", "sha256sums", "SHA256SUMS.sig.", "arm.tar.zst.age", "key\u200b.age", "x.next", "other.age",
			"\u202eega.yek"},
		Ledger: {"00000009", "00000003.entry.refused-1", "00000009.entry.part-12", "9.Entry", "00000003.entry "},
		Work:   nil,
	} {
		for _, name := range everywhere {
			require.False(t, place.Resembles(name, false), "%d %q", place, name)
		}
		for _, name := range names {
			require.True(t, place.Resembles(name, false), "%d %q", place, name)
			require.True(t, place.Resembles(name, true), "%d %q", place, name)
		}
	}
	require.True(t, Backups.Resembles("."+folder, true), "a folder with a backup's name, hidden")
	require.False(t, Backups.Resembles("."+folder, false))
	require.False(t, Work.Resembles(backup.KeyFile, false))
}

func TestIsLitter(t *testing.T) {
	for _, name := range []string{".DS_Store", "Thumbs.db", "thumbs.db", "._manifest.json", "desktop.ini"} {
		require.True(t, IsLitter(name), name)
	}
	for _, name := range []string{"notes.txt", "manifest.json", ".snapshot", "@eaDir"} {
		require.False(t, IsLitter(name), name)
	}
}

func FuzzResembles(f *testing.F) {
	f.Add("key.age")
	f.Add("\u202e\xff")
	f.Fuzz(func(t *testing.T, name string) {
		for p := Instance; p <= Work; p++ {
			_ = p.Resembles(name, true)
		}
	})
}
