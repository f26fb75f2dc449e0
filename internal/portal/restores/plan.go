package restores

import (
	"net/http"
	"slices"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/fault"
	"infrabackup/internal/recovery"
	"infrabackup/internal/restore"
)

// Fields of the forms.
const (
	fieldBackup   = "backup"
	fieldTarget   = "target"
	fieldItems    = "items"
	fieldPatterns = "patterns"
	fieldPolicy   = "policy"
	fieldService  = "service"
	fieldKey      = "key"
	fieldPassword = "password"
)

// maxNames bounds items and patterns, each.
const maxNames = 200

type newData struct {
	Backups  []board.Backup // that can be restored from, newest first
	Services []choice
}

type choice struct {
	Service backup.Service
	Chosen  bool
}

// New is the form for a plan.
func New(v *View) {
	newest := ""
	if all := Restorable(v.Board); len(all) > 0 {
		newest = string(all[0].BackupID)
	}
	if asked := v.Request.URL.Query().Get(fieldBackup); asked != "" && slices.ContainsFunc(v.Board.Backups, func(b board.Backup) bool { return string(b.BackupID) == asked }) {
		newest = asked
	}
	v.Fill(map[string]string{fieldBackup: newest, fieldPolicy: string(restore.PolicyUpdate)})
	v.showNew(http.StatusOK)
}

func (v *View) showNew(status int) {
	d, chosen := newData{Backups: Restorable(v.Board)}, lines(v.Typed(fieldService))
	for _, s := range backup.Services() {
		d.Services = append(d.Services, choice{s, slices.Contains(chosen, string(s))})
	}
	v.Show(status, "restore-new", "Plan a restore", d)
}

// Restorable are the backups that hold something, newest first.
func Restorable(s *board.Snapshot) (all []board.Backup) {
	for _, b := range s.Backups {
		if b.Status == backup.Succeeded || b.Status == backup.PartialSucceeded {
			all = append(all, b)
		}
	}
	return all
}

// Plan begins to plan a restore.
func Plan(v *View) {
	values := map[string]string{}
	for _, name := range []string{fieldBackup, fieldTarget, fieldItems, fieldPatterns, fieldPolicy} {
		values[name] = v.Value(name)
	}
	values[fieldService] = strings.Join(v.Request.PostForm[fieldService], "\n")
	v.Fill(values)
	good := true
	wrong := func(field, message string) {
		v.Wrong(field, message)
		good = false
	}
	r := recovery.Request{Target: values[fieldTarget], Policies: map[backup.Service]restore.Policy{}}
	var err error
	if r.Backup, err = backup.ParseID(values[fieldBackup]); err != nil {
		wrong(fieldBackup, "Choose a backup.")
	}
	if r.Target == "" {
		wrong(fieldTarget, "Give the name of the target, as the workers' configuration has it.")
	} else if err := (recovery.Request{Target: r.Target}).Validate(); err != nil {
		wrong(fieldTarget, "This is no name of a target: those have at most 40 small letters, digits and '-'.")
	}
	for _, name := range v.Request.PostForm[fieldService] {
		service, err := backup.ParseService(name)
		if err != nil {
			wrong("", "A service is not known.")
			break
		}
		r.Selection.Services = append(r.Selection.Services, service)
	}
	r.Selection.Items, r.Selection.Patterns = lines(values[fieldItems]), lines(values[fieldPatterns])
	for field, all := range map[string][]string{fieldItems: r.Selection.Items, fieldPatterns: r.Selection.Patterns} {
		if len(all) > maxNames {
			wrong(field, "At most 200 lines are taken.")
		}
	}
	if r.Selection.Validate() != nil {
		wrong(fieldPatterns, "A pattern cannot be understood: '*' stands for any characters but a slash, '?' for one.")
	}
	policy, err := restore.ParsePolicy(values[fieldPolicy])
	if err != nil {
		wrong(fieldPolicy, "Choose what becomes of items that differ.")
	}
	for _, service := range backup.Services() {
		r.Policies[service] = policy
	}
	key, given := v.Key(fieldKey)
	defer key.Clear()
	if !good || !given {
		v.showNew(http.StatusUnprocessableEntity)
		return
	}
	begun, err := v.Plans.Plan(v.Context, r, key, v.By)
	if err != nil {
		v.Refuse(fieldOf(err), err)
		v.showNew(max(fault.CodeOf(err).HTTPStatus(), http.StatusBadRequest))
		return
	}
	v.To("operations/" + begun.ID)
}

// fieldOf is the field that an error of a plan is about.
func fieldOf(err error) string {
	switch fault.CodeOf(err) {
	case fault.KeyPassword:
		return fieldPassword
	case fault.KeyInvalid, fault.KeyDoesNotFit:
		return fieldKey
	case fault.TargetNotConfigured:
		return fieldTarget
	case fault.BackupNotFound, fault.BackupDamaged, fault.BackupForged:
		return fieldBackup
	}
	return ""
}

func lines(text string) (all []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}
