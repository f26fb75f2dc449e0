package codec

// Letter is a value that brings with it what binds it beyond the place that Temporal's
// SDK knows of: package flow writes there what the value is and which question it
// belongs to. Whoever encrypts seals the stamp with the body.
type Letter interface {
	// Letter returns the stamp, never empty, and the body.
	Letter() (stamp string, body any)
}

// Receiver takes a letter out of a payload. Decoding into one does not fail: what is
// wrong is handed over, so that the receiver answers with a code of its own.
type Receiver interface {
	// Receive is told the stamp and how to decode the body, or why there is neither.
	Receive(d Delivery)
}

// Delivery is a payload as it was found.
type Delivery struct {
	// Err says why the payload must not be believed: a fault of [Codec.Open]. Nothing
	// else is set then.
	Err error
	// Outdated tells of a payload of the form that had no place and no stamp. It arrives
	// in the process that converts those only.
	Outdated bool
	Stamp    string
	Decode   func(body any) error
}
