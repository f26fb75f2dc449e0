package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diagnosis"
	"infrabackup/internal/repository"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/share/conformance"
)

// DiagnoseHost checks what this worker depends on: each source, the spool, the
// settings and, on request, everything that a backup needs from the share.
func (a *Activities) DiagnoseHost(ctx context.Context, in flow.DiagnoseInput) (diagnosis.Report, error) {
	out := diagnosis.Report{Host: a.Host, Version: a.Product, Services: a.services()}
	if in.Brief {
		return out, nil
	}
	if in.Settings {
		a.diagnoseSettings(ctx, &out)
		return out, nil
	}
	for _, service := range a.services() {
		err := a.collectors[service].Check(ctx)
		out.Checks = append(out.Checks, checked("source "+string(service), "can be read", err))
	}
	out.Checks = append(out.Checks, checked("spool", "is writable: "+a.Spool.String(), a.Spool.Check()))
	out.Checks = append(out.Checks, a.diagnoseHost(ctx)...)
	out.Checks = append(out.Checks, a.diagnoseRetention(ctx))
	if !in.Share {
		s, err := a.settings(ctx, 0)
		if none := a.none(ctx); err == nil && fault.CodeOf(none) == fault.SettingsReset {
			err = none
		}
		out.Checks = append(out.Checks, checked(diagnosis.OfSettings, fmt.Sprintf("revision %d is active", s.Revision), err))
		return out, nil
	}
	store, s := a.diagnoseSettings(ctx, &out)
	if store == nil {
		return out, nil
	}
	repo := repository.New(store, a.Instance.Name)
	var room, claim diagnosis.Check
	var tried []diagnosis.Check
	var asking sync.WaitGroup // at once, since each waits for the share
	asking.Go(func() { room = a.diagnoseSpool(ctx, repo) })
	asking.Go(func() {
		claim = checked("controller", "writes here alone: "+s.Controller, repo.Claim(ctx, s.Controller))
	})
	asking.Go(func() { tried = a.diagnoseShare(ctx, store, in.Thorough) })
	asking.Wait()
	out.Checks = append(append(out.Checks, room, claim), tried...)
	return out, nil
}

// diagnoseSettings checks that there are settings, and that the share tells of no newer
// ones; it writes nothing. The store is nil when the share cannot be asked.
func (a *Activities) diagnoseSettings(ctx context.Context, out *diagnosis.Report) (share.Store, settings.Settings) {
	s, err := a.settings(ctx, 0)
	out.Checks = append(out.Checks, checked(diagnosis.OfSettings, fmt.Sprintf("revision %d is active", s.Revision), err))
	if err != nil {
		return nil, s
	}
	store, err := a.stores.Get(ctx, s)
	if err != nil {
		out.Checks = append(out.Checks, checked("share", "", err))
		return nil, s
	}
	st, err := a.anchors(repository.New(store, a.Instance.Name), s).Check(ctx)
	if err == nil {
		a.looked.keep(s.Fingerprint(), a.Now(), st)
	}
	out.Checks = append(out.Checks, checked(diagnosis.OfAnchor, "the share records no newer settings, and has the ledger that they know", err))
	return store, s
}

// leftFor is after how long the folder of another host's diagnosis is nobody's.
const leftFor = time.Hour

func (a *Activities) diagnoseShare(ctx context.Context, store share.Store, thorough bool) []diagnosis.Check {
	message := "answers"
	if described, ok := store.(sessioned); ok {
		dialect, cipher := described.Describe()
		message = "speaks " + dialect + " with " + cipher
	}
	checks := []diagnosis.Check{{Name: "share", OK: true, Message: message}}
	// One at a time on each host, in a folder of the host's own, so that whatever lies
	// there was left by a run that was interrupted.
	select {
	case a.diagnosing <- struct{}{}:
		defer func() { <-a.diagnosing }()
	case <-ctx.Done():
		return append(checks, checked("share: scratch-folder", "", ctx.Err()))
	}
	prefix := a.Instance.Name + "-doctor"
	host := sha256.Sum256([]byte(a.Host))
	scratch := prefix + "-" + hex.EncodeToString(host[:4])
	err := store.MkdirAll(ctx, scratch)
	if err == nil {
		err = conformance.Sweep(ctx, store, prefix, scratch, leftFor)
	}
	if err != nil {
		checks = append(checks, checked("share: left-overs", "", err))
	}
	run := conformance.Try
	if thorough {
		run = conformance.Run
	}
	for _, result := range run(ctx, store, scratch) {
		checks = append(checks, checked("share: "+result.Name, "holds", result.Err))
	}
	return checks
}
