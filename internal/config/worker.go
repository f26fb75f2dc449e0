package config

import (
	"time"
)

// Defaults of what the file may leave out.
const (
	DefaultStopTimeout = 20 * time.Second
	MaxStopTimeout     = 10 * time.Minute
	DefaultLogLevel    = "info"
	DefaultLogFormat   = "text"
)

// Worker is the configuration of one worker process, which serves one instance.
// Paths are absolute after [Load].
type Worker struct {
	// Instance says which cloud is backed up.
	Instance Instance `yaml:"instance"`
	// Temporal says where the cluster is. What it leaves out is taken from the
	// TEMPORAL_… environment variables.
	Temporal Temporal `yaml:"temporal"`
	// Codec says how payloads are encrypted.
	Codec Codec `yaml:"codec"`
	// Spool is the folder for captured data that waits for its upload.
	Spool Spool `yaml:"spool"`
	// Host names this worker's machine in task queues and must be the same after
	// every restart; the machine's own host name in lower case when empty. No two
	// workers of an instance may share it.
	Host string `yaml:"host"`
	// Limits bound how long the worker may take.
	Limits Limits `yaml:"limits"`
	// Log says what is logged; records go to standard error.
	Log Log `yaml:"log"`
	// Sources are the services that this worker can capture. At least one.
	Sources Sources `yaml:"sources"`
	// Targets are the configuration files of targets that this worker may restore into, see
	// [Target]: with accounts of their own, never those that capture. None where it restores
	// nothing.
	Targets []string `yaml:"targets"`
	// DrillSigners is the file with the keys that certificates of drills are believed by, in the form
	// of ssh-keygen's ALLOWED SIGNERS; empty where none is checked.
	DrillSigners string `yaml:"drillSigners"`
}

// Instance is the cloud that is backed up.
type Instance struct {
	Name         string `yaml:"name"`         // DNS label; folder on the share, prefix of task queues and workflow IDs
	FQDN         string `yaml:"fqdn"`         // external domain name
	Region       string `yaml:"region"`       // Azure Stack's "location"
	DeploymentID string `yaml:"deploymentId"` // GUID of the deployment
}

// Temporal says where the Temporal cluster is.
type Temporal struct {
	Address    string `yaml:"address"`    // host:port
	Namespace  string `yaml:"namespace"`  //
	APIKeyFile string `yaml:"apiKeyFile"` // file with a bearer token; needs tls
	TLS        TLS    `yaml:"tls"`
}

// TLS secures the connection to Temporal. It is used when enabled or when any
// other key is set.
type TLS struct {
	Enabled    bool   `yaml:"enabled"`
	CertFile   string `yaml:"certFile"`
	KeyFile    string `yaml:"keyFile"`
	CAFile     string `yaml:"caFile"`
	ServerName string `yaml:"serverName"`
}

// Codec says how Temporal payloads are encrypted.
type Codec struct {
	KeyFile string `yaml:"keyFile"` // see codec.LoadKeyring
}

// Spool is the folder for captured data. It needs free space for one backup of the
// sources configured here.
type Spool struct {
	Dir string `yaml:"dir"`
}

// Limits bound how long the worker may take. How much runs at once is the
// workflow's choice, not the worker's.
type Limits struct {
	// StopTimeout is how long running activities may go on after SIGTERM, such as
	// 20s. What is not done by then is retried by the next worker.
	StopTimeout time.Duration `yaml:"stopTimeout"`
}

// Log says what is logged.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn or error
	Format string `yaml:"format"` // text or json
}

// Sources are the services that a worker captures; nil ones are not its business.
type Sources struct {
	AD    *AD    `yaml:"ad"`
	CA    *CA    `yaml:"ca"`
	Azure *Azure `yaml:"azure"`
}

// AD is an Active Directory domain controller.
type AD struct {
	URL          string `yaml:"url"`          // ldaps://host[:port]
	CAFile       string `yaml:"caFile"`       // PEM; the CAs, and only those, that the controller's certificate may come from
	Username     string `yaml:"username"`     // user@realm, or DOMAIN\user
	PasswordFile string `yaml:"passwordFile"` // its password
	// SYSVOL also captures group policy files, as the same user over SMB from the
	// controller's share \\host\SYSVOL; true when left out.
	SYSVOL *bool `yaml:"sysvol"`
}

// CaptureSYSVOL is SYSVOL with its default.
func (a AD) CaptureSYSVOL() bool { return a.SYSVOL == nil || *a.SYSVOL }

// CA is a certification authority.
type CA struct {
	Dir string `yaml:"dir"` // an OpenSSL-style folder with index.txt, serial and newcerts
	// ADCS also captures what AD Certificate Services keeps in the directory. It
	// needs sources.ad; when left out, it is true exactly if that is there.
	ADCS *bool `yaml:"adcs"`
}

// CaptureADCS is CA.ADCS with its default. It is false without a CA source.
func (s Sources) CaptureADCS() bool {
	if s.CA == nil {
		return false
	}
	if s.CA.ADCS == nil {
		return s.AD != nil
	}
	return *s.CA.ADCS
}
