// Package ca brings the folder of a certification authority back, as package collect/ca
// captured it, in the way of `openssl ca` and easy-rsa. The folder comes back as a whole or
// not at all: it is one want, and one exchange of folders.
//
// # An empty folder, and one that is in use
//
// Into an empty or missing folder everything comes as it was. A folder that holds the same
// CA is united with the backup: certificates that were issued since stay, rows of both
// indexes are there, and what either side revoked is revoked. Rows that make no sense stay
// as they are. Of two versions of a file the one of the target stays where it is younger, or
// where nothing tells, and the backup's comes back where the target's is damaged, and for
// configuration and files that nobody knows.
//
// Neither the next serial number nor the next CRL number is ever below what backup or
// target show to be used: in their number files, indexes, certificates and CRLs. Where the
// target has no number, or one that is behind, what was issued in between is unknown, and
// [Options.Gap] numbers are left out. A CA that is configured to draw its serial numbers keeps
// its serial file; of one that drew some, only those count that are near that file's.
//
// # How it is written
//
// The folder is made beside the target as <folder>.new-<id>: unchanged files are hard links
// to those of the target, the rest is written, and everything is flushed. It is read back
// and held to what is wanted. Then it is called <folder>.before-<id>, and exchanged with the
// target by renameat2(2), so that at every moment a whole CA is in the target's place, and
// the one that was there before is kept. A file system that cannot exchange is refused. The
// service of the CA has to be stopped: openssl has no lock. A CA that works meanwhile is
// noticed, since the folder is compared before the exchange and behind it, but for what a
// process writes into the folder that it had opened before.
//
// <folder>.before-<id> holds private keys, and is left to the operator to remove. Undo puts it
// back while the target is as the restore left it; next serial and CRL number stay at the
// higher values. What was made in an empty place is removed.
//
// Keys, and all files that are not public by nature, get the mode 0600, others 0644. Files and
// folders of the target keep their modes, except that a key that comes back gets 0600. New
// folders have the modes that the backup knows. Run by root, new files belong to the owner of the folder.
//
// # Refusals
//
//	CA_OTHER            the folder holds another CA: its certificate or key is not the backup's
//	CA_UNKNOWN          the folder is not empty, and nothing in it shows which CA it is
//	CA_LAYOUT           the CA keeps its database elsewhere in the folder than the backup
//	CA_SERIAL_CLASH     a serial number belongs to one certificate here, and to another in the backup
//	CA_SUBJECT_CLASH    both have a valid certificate of one subject, and the index allows one
//	CA_NUMBER_MALFORMED the serial or CRL number file, or one of them, holds no number
//	CA_PLACE_TAKEN      a link, folder or device has the place of a file, or a file that of a folder
//	CA_IN_USE           the CA works: stop its service
//	CA_ISSUED_SINCE     the folder is not as the restore left it, so that it is not taken back
//	CA_BEFORE_MISSING   the folder from before the restore is not there, or was changed
//	CA_MOUNT_POINT      the folder is a mount point, which cannot be exchanged
//	CA_NOT_A_FOLDER     a file, link or device is in the folder's place
//	CA_NO_PLACE         the folder above is not there
//	NOT_PERMITTED       the account may not write beside the folder
//	DISK_FULL           there is not enough free space beside the folder
//
// # Losses
//
//	CA_TOO_LARGE           the CA has more bytes or files than are brought back
//	CA_ADCS_OBJECT         an object of AD Certificate Services, which lies in the directory
//	CA_KEY_NOT_CONTAINED   no private key of the CA is in the backup
//	CA_KEY_PASSPHRASE      the key is encrypted, and its passphrase is in no backup
//	CA_KEY_ELSEWHERE       the key is in a hardware module
//	CA_ISSUED_LATER        what was issued and revoked after the backup, where the folder was lost
//	CA_CRL_DUE             a CRL has to be issued, which takes the key
//	CA_MODES               modes, owners and times of files are in no catalog
//	CA_LINK_OUTSIDE        a link that leads out of the folder is left out
//	CA_CONFIG_PATH         the configuration names an absolute folder
//	CA_ROW_NOT_UNDERSTOOD  a row of the backup's index makes no sense: only an empty folder gets it
//
// The package runs no openssl, signs nothing, and knows neither the directory nor where
// backups lie. Start reading at [Restorer.Verdict] in restorer.go, then merge.go and write.go.
package ca
