package lab

import (
	"fmt"
	"path/filepath"
)

// What the server is started with so that it leaves the processor to what is tested:
// hundreds of instances with few tasks each need no partitions of their queues and no
// metrics of each, and there is memory to collect garbage more rarely.
const (
	temporalMemory = "GOGC=400 GOMEMLIMIT=4GiB"
	temporalConfig = " --dynamic-config-value matching.numTaskqueueReadPartitions=1 --dynamic-config-value matching.numTaskqueueWritePartitions=1" +
		" --dynamic-config-value metrics.breakdownByTaskQueue=false --dynamic-config-value metrics.breakdownByPartition=false" +
		" --dynamic-config-value metrics.breakdownByBuildID=false"
)

// newTemporal prepares a Temporal server with its Web UI, whose state is one SQLite
// file that survives a restart and a kill of the server. It does not wait for the disk,
// which only a power cut would punish.
func newTemporal(l *Lab, codecEndpoint string) (*daemon, error) {
	binary, err := temporalBinary()
	if err != nil {
		return nil, fmt.Errorf("the temporal program is missing: go install %s", temporalModule)
	}
	command := fmt.Sprintf("exec env "+temporalMemory+" %s server start-dev --db-filename %s --ip 127.0.0.1 --port %d --ui-port %d --log-level warn --sqlite-pragma journal_mode=WAL --sqlite-pragma synchronous=OFF"+temporalConfig,
		binary, l.temporalDB(), l.temporalPort, l.uiPort)
	if codecEndpoint != "" {
		command += " --ui-codec-endpoint " + codecEndpoint
	}
	return newDaemon(l.dir, "temporal", command,
		all(listening(fmt.Sprintf("127.0.0.1:%d", l.temporalPort)), listening(fmt.Sprintf("127.0.0.1:%d", l.uiPort))))
}

func (l *Lab) temporalDB() string { return filepath.Join(l.dir, "temporal.db") }
