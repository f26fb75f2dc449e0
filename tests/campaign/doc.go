// Package campaign tries to break the product: it does at random what operators do, while
// servers and processes are killed, frozen, filled and damaged at random, and compares what
// comes of it with a small model after each step.
//
// It holds tests only. They know the product by its commands, by the files of its format, and
// by what stock tools say of them: nothing of the product is imported, so that no mistake of
// it is repeated here. Every choice follows from a seed that is printed; INFRABACKUP_CAMPAIGN
// says how long to go on, and INFRABACKUP_CAMPAIGN_SEED gives a seed again. Start reading at
// campaign_test.go, then model_test.go.
package campaign
