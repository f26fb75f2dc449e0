// Package conformance holds HTTP answers of a stamp against Microsoft's API
// definitions in tests/spec.
//
// It finds the operation that a request belongs to by method, path and api-version,
// and checks the answer's body against the definition of its status: types, required
// properties, enumerations, formats, and no property that the definition does not
// know. It knows nothing of the stand-in or the product, so that neither can bend it.
// It does not check requests, headers, or values that no definition describes.
// Start reading at [Load] and [Spec.Check].
package conformance
