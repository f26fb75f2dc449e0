// Package restore brings what a backup holds back into a live target: it plans, applies,
// and undoes, and can be stopped at any moment.
//
// # The way of a restore
//
//  1. [Planner.Plan] reads the catalog, asks a [Restorer] for each item what the target
//     should hold ([Want]), adds what the chosen items need, reads the live state of
//     each, and writes down what would be done: a [Plan]. Nothing is written to the
//     target. The plan holds names and digests, and no values.
//  2. [Run.Apply] makes every want again from the backup, and compares its digest and that
//     of the live state with the plan's. So what is written is what was read, or nothing.
//     What is about to be changed is saved in the [Journal] before it is changed.
//  3. [UndoPlan] makes a plan of a journal that takes back what was done, and is applied
//     the same way.
//
// A restore adds and changes. It never removes what the backup does not hold; only undo
// removes, and only what its journal says was made by the restore, while it still is as the
// restore left it.
//
// # Into a cloud with other names
//
// A plan can have a [mapping.Site]. Wants are then in the names of the target, and needs in those
// of the backup, by which its catalog is searched. What a restorer would send is looked
// through for names of the source, when the plan is made and again before each write, and so is
// the state behind it (package residual). Accounts that come with the same plan have their
// identities only when they were made: what refers to them waits for that.
//
// The package knows neither services nor Temporal nor where backups lie: services are
// restorers in packages below, which do not import each other and are held to the contract
// by restoretest. Start reading at [Restorer], then planner.go and run.go.
package restore
