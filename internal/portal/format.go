package portal

import (
	"fmt"
	"html/template"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/flow"
	"infrabackup/internal/portal/assets"
	"infrabackup/internal/printable"
	"infrabackup/internal/settings"
	"infrabackup/internal/ui"
)

// functions are what templates call.
var functions = template.FuncMap{
	"size": ui.Size, "duration": duration, "instant": instant, "stamp": stamp, "day": day, "ago": ago, "until": until,
	"count": count, "plural": plural, "state": stateOf, "backupState": backupState, "severity": severityOf, "outcome": outcomeOf,
	"phase": phaseOf, "words": words, "id": shortID, "clip": clip, "sentence": sentence, "tone": tone, "num": num, "used": used, "ms": milliseconds, "reversed": reversed, "first": first, "runs": runsOf, "forever": board.Forever.Equal,
	"kind": kindOf, "gaps": gapsOf, "percent": percent, "asset": assets.Path, "dict": dict, "transport": transportOf,
	"keyKind": keyKind, "add": func(a, b int) int { return a + b }, "shown": shownText,
}

// state is a word with its tone, which is how good it is: ok, warn, bad, busy, info or none.
type state struct{ Tone, Word string }

func stateOf(s backup.Status) state {
	switch s {
	case backup.Succeeded:
		return state{"ok", "Complete"}
	case backup.PartialSucceeded:
		return state{"warn", "Partial"}
	case backup.Failed:
		return state{"bad", "Failed"}
	case backup.Running, backup.Creating:
		return state{"busy", "Running"}
	case backup.Queued:
		return state{"none", "Waiting"}
	case backup.Deleted:
		return state{"none", "Deleted"}
	}
	return state{"none", string(s)}
}

func severityOf(s alert.Severity) state {
	switch s {
	case alert.Critical:
		return state{"bad", "Critical"}
	case alert.Warning:
		return state{"warn", "Warning"}
	}
	return state{"info", "Notice"}
}

func outcomeOf(o settings.Outcome) state {
	switch o {
	case settings.Applied:
		return state{"ok", "Applied"}
	case settings.Refused:
		return state{"bad", "Refused"}
	}
	return state{"busy", "Pending"}
}

func phaseOf(p flow.Phase) state {
	switch p {
	case flow.PhaseQueued:
		return state{"none", "Waiting"}
	case flow.PhaseCapture:
		return state{"busy", "Reading the service"}
	case flow.PhaseUpload:
		return state{"busy", "Uploading"}
	case flow.PhaseReadBack:
		return state{"busy", "Reading back"}
	case flow.PhaseDone:
		return state{"ok", "Done"}
	case flow.PhaseFailed:
		return state{"bad", "Failed"}
	}
	return state{"none", string(p)}
}

func kindOf(k settings.Kind) string {
	return map[settings.Kind]string{
		settings.KindEnable: "Enabled", settings.KindAdopt: "Taken over", settings.KindShare: "Share", settings.KindCredentials: "Account",
		settings.KindKey: "Key", settings.KindSigningKey: "Signing key", settings.KindProof: "Proof of key", settings.KindServices: "Services",
		settings.KindReseal: "Encrypted again", settings.KindSigners: "Trusted signers", settings.KindLedger: "New ledger", settings.KindRestored: "Restored",
	}[k]
}

func keyKind(kind string) string {
	switch kind {
	case "x25519":
		return "age key (X25519)"
	case "mlkem768x25519":
		return "age key (hybrid, post-quantum)"
	case "ssh-rsa":
		return "RSA key or certificate"
	}
	return kind
}

func transportOf(t any) string {
	if fmt.Sprint(t) == "signed" {
		return "signed, not encrypted"
	}
	return "encrypted"
}

// stamp is a time for a machine, as <time datetime> wants it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// instant is a time for people, in UTC.
func instant(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04") + " UTC" }

func day(t time.Time) string { return t.UTC().Format("2 Jan 2006") }

// ago says how long before now it was, or how long until then.
func ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d < 0:
		return "in " + span(-d)
	case d < time.Minute:
		return "just now"
	}
	return span(d) + " ago"
}

func until(t, now time.Time) string {
	if !t.After(now) {
		return "over"
	}
	return span(t.Sub(now))
}

// span is a length of time in one unit.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return plural(int64(d/time.Second), "second")
	case d < time.Hour:
		return plural(int64(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return plural(int64(d/time.Hour), "hour")
	}
	return plural(int64(d/(24*time.Hour)), "day")
}

// duration is the time between two others, to the second.
func duration(from, to time.Time) string {
	if from.IsZero() || to.Before(from) {
		return "–"
	}
	d := to.Sub(from).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// count writes a number with thin spaces between thousands.
func count(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}

func plural(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return count(n) + " " + word + "s"
}

func percent(done, total int64) int64 {
	if total <= 0 {
		return 0
	}
	return min(100, done*100/total)
}

// words are the names of services.
func words(services []backup.Service) string { return settings.Join(services) }

// shortID is the beginning of a backup's ID, enough to tell backups apart by eye.
func shortID(id backup.ID) string {
	if len(id) > 8 {
		return string(id[:8])
	}
	return string(id)
}

func clip(n int, s string) string { return printable.Clip(printable.Text(s), n) }

// shownText is a word of a person or of the share: what no screen shows is made visible, and
// what is very long is cut.
func shownText(s string) string { return printable.Clip(printable.Text(s), 1000) }

// sentence begins with a capital letter and ends with a full stop.
func sentence(s string) string {
	s = strings.TrimSpace(shownText(s))
	if s == "" {
		return ""
	}
	word, _, _ := strings.Cut(s, " ")
	if !strings.ContainsFunc(strings.TrimRight(word, ".,:;"), func(r rune) bool { return !unicode.IsLower(r) && r != '\'' }) { // no host, path or name
		first, size := utf8.DecodeRuneInString(s)
		s = string(unicode.ToUpper(first)) + s[size:]
	}
	if !strings.ContainsRune(".?!…", rune(s[len(s)-1])) && !strings.HasSuffix(s, "…") {
		s += "."
	}
	return s
}

// gapsOf counts the objects that a service's gaps stand for.
func gapsOf(gaps []backup.Gap) int64 {
	var n int64
	for _, g := range gaps {
		n += max(g.Count, 1)
	}
	return n
}

// dict makes a map of pairs, for templates in templates.
func dict(pairs ...any) map[string]any {
	out := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		out[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return out
}

// tone is a word with how good it is.
func tone(tone, word string) state { return state{tone, word} }

// backupState says what a backup is worth: what was found damaged later is not complete.
func backupState(b any) state {
	var known board.Backup
	switch v := b.(type) {
	case board.Backup:
		known = v
	case *board.Backup:
		known = *v
	}
	if known.VerifyCode != "" {
		return state{"bad", "Damaged"}
	}
	return stateOf(known.Status)
}

// num makes a number of any integer type one that plural takes.
func num(n any) int64 {
	switch v := n.(type) {
	case int:
		return int64(v)
	case int64:
		return v
	}
	return 0
}

// used is how much of a share is in use, in percent.
func used(c board.Capacity) int64 { return percent(c.Total-c.Free, c.Total) }

// milliseconds for people.
func milliseconds(n int64) string {
	if n < 1000 {
		return plural(n, "millisecond")
	}
	return duration(time.Unix(1, 0), time.Unix(1, 0).Add(time.Duration(n)*time.Millisecond))
}

// reversed is a list of changes, newest first.
func reversed(records []settings.Record) []settings.Record {
	out := slices.Clone(records)
	slices.Reverse(out)
	return out
}

// first are the first n elements of a list.
func first(n int, list any) (any, error) {
	v := reflect.ValueOf(list)
	if v.Kind() != reflect.Slice {
		return nil, fmt.Errorf("%T is no list", list)
	}
	return v.Slice(0, min(n, v.Len())).Interface(), nil
}

// runsOf is the link to the runs that a page's data has, empty when it has none.
func runsOf(p *page) string {
	switch d := p.Data.(type) {
	case overviewData:
		return d.Runs
	case backupData:
		return d.Runs
	}
	return ""
}
