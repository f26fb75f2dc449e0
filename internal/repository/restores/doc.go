// Package restores keeps the plans and journals of restores beside the backups, in
// restores/<plan's ID>/ of an instance's folder, for restores that workers do: whichever of
// them goes on finds there what was done. It implements [statedir.Store], and knows nothing of
// what the files hold: they are encrypted by package statedir. Start reading at [In].
package restores
