// Package portal is the page of the operators: whether a restore would succeed today, the
// backups and the one that runs, first-time enabling, settings, schedule, alerts and history.
//
// It draws what a [Board] knows and hands every change to a [Control]; it decides nothing
// itself but who sees which form. It is HTML first: every page is whole without script,
// every change is a POST that answers with 303, and no GET changes anything. Script only
// improves: live progress, the viewer's time zone, and a key that is made in the browser.
// The listener before it gives answers their headers, and refuses what other sites send.
//
// Words of people and of the share come to a page through html/template only. Secrets are
// taken from forms as [secret.String] and never written to a page, a URL or an error.
// Start reading at [Options], then request.go.
package portal
