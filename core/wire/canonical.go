package wire

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Canonical returns the canonical form of one JSON value: what signatures and
// hashes of signed documents are made over (RFC 8785). There is no white space,
// members are in the order of their names' UTF-16 code units, texts have the
// shortest escapes, and numbers are written as ECMAScript writes them.
//
// It differs from the RFC in one point, since the signers of NixFleet do: a whole
// number between -2^63 and 2^64-1 keeps all of its digits.
//
// Refused, with a [*SyntaxError] or a [*FieldError], is what two readers might
// understand in two ways: a repeated name, text that is not UTF-8, a whole number of
// more than 64 bits, a number beyond the range of a double.
//
// The form of a canonical form is itself. text is not changed.
func Canonical(text []byte) ([]byte, error) {
	if err := checkSyntax(text); err != nil {
		return nil, err
	}
	if err := checkTokens(text); err != nil {
		return nil, err
	}
	form := jsontext.Value(slices.Clone(text))
	if err := form.Canonicalize(jsontext.CanonicalizeRawInts(false)); err != nil {
		return nil, &SyntaxError{Problem: clip(err.Error(), 200)}
	}
	return form, nil
}

// checkTokens looks for repeated names and for numbers that have no canonical form.
func checkTokens(text []byte) error {
	d := jsontext.NewDecoder(strings.NewReader(string(text)))
	for {
		token, err := d.ReadToken()
		var syntactic *jsontext.SyntacticError
		switch {
		case errors.As(err, &syntactic) && syntactic.Err == jsontext.ErrDuplicateName:
			return &FieldError{Field: fieldPath(syntactic.JSONPointer, false), Problem: "is repeated"}
		case err != nil && d.StackDepth() == 0:
			return nil // the end: checkSyntax has found nothing wrong
		case err != nil:
			return &SyntaxError{Offset: d.InputOffset(), Problem: clip(err.Error(), 200)}
		case token.Kind() == '0':
			if problem := numberProblem(token.String()); problem != "" {
				return &FieldError{Field: fieldPath(d.StackPointer(), false), Problem: problem}
			}
		}
	}
}

func numberProblem(number string) string {
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsInf(value, 0) {
		return fmt.Sprintf("is %s; want a number within the range of a double", clip(number, 40))
	}
	if strings.ContainsAny(number, ".eE") {
		return ""
	}
	_, signed := strconv.ParseInt(number, 10, 64)
	_, unsigned := strconv.ParseUint(number, 10, 64)
	if signed != nil && unsigned != nil {
		return fmt.Sprintf("is %s; want a whole number between -2^63 and 2^64-1", clip(number, 40))
	}
	return ""
}
