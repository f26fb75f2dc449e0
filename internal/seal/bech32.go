package seal

import "strings"

// bech32Encode renders data as Bech32 (BIP 173) under the given lower-case prefix,
// without that standard's length limit, as age writes its keys. Age offers no way to
// make an identity from a scalar, so its text form is written here and handed to
// age's own parser, which checks it.
func bech32Encode(prefix string, data []byte) string {
	const alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	values := make([]byte, 0, len(data)*8/5+1)
	acc, bits := uint32(0), 0
	for _, b := range data {
		acc = acc<<8 | uint32(b)
		for bits += 8; bits >= 5; {
			bits -= 5
			values = append(values, byte(acc>>bits&31))
		}
	}
	if bits > 0 {
		values = append(values, byte(acc<<(5-bits)&31))
	}
	sum := uint32(1)
	step := func(v byte) {
		generator := [5]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3}
		top := sum >> 25
		sum = sum&0x1ffffff<<5 ^ uint32(v)
		for i, g := range generator {
			if top>>i&1 == 1 {
				sum ^= g
			}
		}
	}
	for i := range len(prefix) {
		step(prefix[i] >> 5)
	}
	step(0)
	for i := range len(prefix) {
		step(prefix[i] & 31)
	}
	for _, v := range values {
		step(v)
	}
	for range 6 {
		step(0)
	}
	sum ^= 1
	var out strings.Builder
	out.WriteString(prefix)
	out.WriteByte('1')
	for _, v := range values {
		out.WriteByte(alphabet[v])
	}
	for i := range 6 {
		out.WriteByte(alphabet[sum>>(5*(5-i))&31])
	}
	return out.String()
}
