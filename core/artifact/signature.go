package artifact

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
)

// SignatureSize is the size of every signature in bytes. A signature file has these
// bytes and nothing else: no base64, no line break, no DER.
const SignatureSize = 64

// Hash is SHA-256 of a canonical form.
type Hash [sha256.Size]byte

// HashOf returns the hash of a canonical form.
func HashOf(canonical []byte) Hash { return sha256.Sum256(canonical) }

// String returns 64 hexadecimal digits in lower case, as documents write a hash.
func (h Hash) String() string { return fmt.Sprintf("%x", h[:]) }

// ID returns the first 16 hexadecimal digits of SHA-256 of the key's bytes: a name
// for people and for files. It is empty for a key that is no base64.
func (k *Key) ID() string {
	raw, err := k.Raw()
	if err != nil {
		return ""
	}
	return HashOf(raw).String()[:16]
}

// Verifies reports whether the signature is the key's over the canonical form. For
// ed25519 the message is the form itself, and a key or a signature with a point of
// small order or in a non-canonical encoding is refused; for ecdsa-p256 it is
// SHA-256 of the form, the signature is R‖S, and both S of a signature count.
func (k *Key) Verifies(canonical, signature []byte) bool {
	raw, err := k.Raw()
	if err != nil || len(signature) != SignatureSize {
		return false
	}
	switch k.Algorithm {
	case Ed25519:
		return checkPoint(raw) == nil && checkPoint(signature[:32]) == nil && ed25519.Verify(raw, canonical, signature)
	case ECDSAP256:
		public, err := parseP256(raw)
		if err != nil {
			return false
		}
		digest := HashOf(canonical)
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(public, digest[:], r, s)
	}
	return false
}

// check says what is wrong with the bytes of a key. Those of unknown algorithms are
// only decoded.
func (k *Key) check() error {
	raw, err := k.Raw()
	if err != nil {
		return err
	}
	switch k.Algorithm {
	case Ed25519:
		return checkPoint(raw)
	case ECDSAP256:
		_, err = parseP256(raw)
	}
	return err
}

// parseP256 reads X‖Y, without the byte 4 that the usual encoding has before it.
func parseP256(raw []byte) (*ecdsa.PublicKey, error) {
	if len(raw) != 64 {
		return nil, fmt.Errorf("has %d bytes; want the 64 bytes X and Y of a point on P-256", len(raw))
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append([]byte{4}, raw...))
	if err != nil {
		return nil, errors.New("is no point on P-256")
	}
	return public, nil
}

// smallOrder has the y coordinates of the points of edwards25519 whose order divides
// 8, little endian: a signature under such a key, or with such a point, is good for
// more messages than the one that was signed. -1 and 1 have the orders 2 and 1, 0 has
// 4, and the two long ones 8.
var smallOrder = [...]string{
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\xec\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
	"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
	"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
}

// checkPoint refuses what no honest signer makes of edwards25519: the wrong size, a y
// that is not reduced modulo 2^255-19, a point of small order. Whether there is a
// point with this y at all is left to the verification.
func checkPoint(encoded []byte) error {
	if len(encoded) != ed25519.PublicKeySize {
		return fmt.Errorf("has %d bytes; want %d", len(encoded), ed25519.PublicKeySize)
	}
	y := bytes.Clone(encoded)
	y[31] &= 0x7f // the highest bit is the sign of x
	if y[0] >= 0xed && y[31] == 0x7f && bytes.Count(y[1:31], []byte{0xff}) == 30 {
		return errors.New("is not in its canonical encoding")
	}
	for _, small := range smallOrder {
		if string(y) == small {
			return errors.New("is a point of small order")
		}
	}
	return nil
}
