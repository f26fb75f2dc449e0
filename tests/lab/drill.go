package lab

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"infrabackup/internal/seal"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

// drillDeployment is the deployment that drills may write to.
const drillDeployment = "99999999-2222-4333-8444-555555555555"

// startDrillTarget starts a second stamp, as it is right after it was installed, for drills:
// it has the name of the first one, and its operator's subscription. Its file, a key that signs
// certificates and the list that trusts that key lie beside it.
func (l *Lab) startDrillTarget() error {
	contents, err := inventory.Empty(inventory.Options{Seed: l.options.Seed, Domain: stampDomain})
	if err != nil {
		return err
	}
	if l.spare, err = stamp.Start(stamp.Options{Domain: stampDomain, Contents: contents, Versions: stamp.UncommonTypes()}); err != nil {
		return err
	}
	dir := l.stampDir()
	key, err := seal.GenerateSigningKey(rand.Reader)
	if err != nil {
		return err
	}
	parsed, err := seal.ParseSigningKey(key)
	if err != nil {
		return err
	}
	target := fmt.Sprintf(`name: drills
fqdn: %s
deploymentId: %s
drill: %s
azure: {managementUrl: %s, adminManagementUrl: %s, authorityUrl: %s, clientId: %s, clientSecretFile: drill.secret, caFile: drill-ca.pem, resolver: %s}
emptyDisks: true
`, stampDomain, drillDeployment, drillDeployment, l.spare.TenantURL(), l.spare.AdminURL(), l.spare.AuthorityURL(), l.spare.ClientID(), l.spare.Resolver())
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "drill-ca.pem"), l.spare.CA(), 0o600),
		os.WriteFile(filepath.Join(dir, "drill.secret"), []byte(l.spare.ClientSecret()+"\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "drill.yaml"), []byte(target), 0o600),
		os.WriteFile(filepath.Join(dir, "drill.key"), []byte(key.Reveal()), 0o600),
		os.WriteFile(filepath.Join(dir, "drill_signers"), []byte(seal.DrillSignersLine(parsed.Public())), 0o600),
	)
}

// drillEnv are the variables that tell of the target for drills.
func (l *Lab) drillEnv() map[string]string {
	return map[string]string{
		"LAB_DRILL_TARGET":  filepath.Join(l.stampDir(), "drill.yaml"),
		"LAB_DRILL_KEY":     filepath.Join(l.stampDir(), "drill.key"),
		"LAB_DRILL_SIGNERS": filepath.Join(l.stampDir(), "drill_signers"),
	}
}
