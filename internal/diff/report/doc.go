// Package report writes what a comparison found as one page of HTML that needs nothing else: no
// script, no font, no picture, no request. A policy in its head forbids them to the browser, too.
// It is for people who look at a screen, light or dark, or at paper; programs read the JSON.
//
// Names and values come from backups, and may hold anything: they come to the page through
// html/template, with every character that is not seen as itself shown as its escape. The page
// is as confidential as a backup, and says so. Start reading at [HTML].
package report
