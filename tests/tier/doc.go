// Package tier tells a test which of the three tiers it runs in, so that one test has
// a short form that is always run and a long one that is run when there is time:
//
//   - quick, for thinking: no servers, seconds (go test -short; make quick);
//   - test, for submitting: everything that protects a promise (make test);
//   - soak, for a night: the same tests with the sizes and repetitions that only time
//     limits (make soak).
//
// It knows nothing of the product. Start reading at [Size].
package tier
