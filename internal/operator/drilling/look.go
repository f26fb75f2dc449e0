package drilling

import (
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore/drill"
)

// Look reads a certificate that lies under a name, with what stands beside it as its signature, by
// a list of keys that are believed; an empty one says that there is no list, so that nothing can be
// checked. A certificate that is refused is nil. So is one under another name than its own, since an
// old one could be laid down again as the newest, and one of another cloud, which the same keys sign.
func Look(of backup.Instance, name string, line, signature, signers []byte) (drill.Listed, *drill.Certificate) {
	l := drill.Listed{DrillID: drill.IDOf(name), File: name, Trust: drill.Unchecked}
	var c *drill.Certificate
	var err error
	if len(signers) == 0 {
		c, err = drill.Decode(line)
	} else {
		l.Trust = drill.Believed
		c, l.Signer, err = Verify(line, signature, signers)
	}
	switch {
	case err != nil:
	case c.FileName() != name:
		err = fault.Newf(fault.CertificateInvalid, "the certificate of drill %s lies under another name", c.DrillID)
	case c.Instance.Name != of.Name || c.Instance.DeploymentID != of.DeploymentID:
		err = fault.Newf(fault.CertificateInvalid, "drill %s restored a backup of another cloud", c.DrillID)
	}
	if err != nil {
		return drill.Listed{DrillID: l.DrillID, File: name, Trust: drill.Refused, Code: string(fault.CodeOf(err))}, nil
	}
	l.Brief = c.Brief()
	return l, c
}
