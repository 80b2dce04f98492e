package certfile

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
)

// Error is a file that cannot be used.
type Error struct {
	// File is its path.
	File string
	// Line is the line of the block at fault, from 1; 0 for the whole file.
	Line int
	// Problem says what is wrong, and what would be right.
	Problem string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Problem
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Problem)
}

// block is a PEM block and the line that it begins at.
type block struct {
	*pem.Block
	line int
}

const certificateType = "CERTIFICATE"

var (
	begin = []byte("-----BEGIN ")
	end   = []byte("-----END ")
)

// blocks decodes every block of a file. Text between blocks is a comment, as
// RFC 7468 has it; a line that begins or ends a block and belongs to none is an
// error, since pem.Decode skips a block that it cannot read.
func blocks(file string, text []byte) ([]block, error) {
	var list []block
	line := 1
	for rest := text; ; {
		decoded, after := pem.Decode(rest)
		read := rest[:len(rest)-len(after)]
		if decoded == nil {
			read = rest
		}
		begins, ends := marks(read, begin), marks(read, end)
		switch {
		case decoded == nil && len(begins)+len(ends) == 0:
			return list, nil
		case decoded == nil || len(begins) != 1 || len(ends) != 1:
			first := firstMark(begins, ends)
			return nil, &Error{file, line + first, "damaged PEM block; want -----BEGIN …, lines of base64, -----END …: copy the file again from where it was issued"}
		}
		list = append(list, block{decoded, line + begins[0]})
		line += bytes.Count(read, []byte("\n"))
		rest = after
	}
}

// marks returns the lines that begin with mark, counted from 0.
func marks(text, mark []byte) (lines []int) {
	for i, line := range bytes.Split(text, []byte("\n")) {
		if bytes.HasPrefix(line, mark) {
			lines = append(lines, i)
		}
	}
	return lines
}

func firstMark(begins, ends []int) int {
	switch {
	case len(begins) == 0:
		return ends[0]
	case len(ends) > 0 && ends[0] < begins[0]:
		return ends[0]
	}
	return begins[0]
}

// certificates parses the certificates of a file. Other blocks are an error unless
// keysToo is set: then a file may have the key as well, as some tools write it.
func certificates(file string, text []byte, keysToo bool) (list []*x509.Certificate, lines []int, err error) {
	decoded, err := blocks(file, text)
	if err != nil {
		return nil, nil, err
	}
	for _, b := range decoded {
		if b.Type != certificateType {
			if keysToo && (isKey(b.Type) || strings.HasSuffix(b.Type, "PARAMETERS")) {
				continue
			}
			return nil, nil, &Error{file, b.line, fmt.Sprintf("PEM block %s; want only CERTIFICATE here", b.Type)}
		}
		certificate, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, nil, &Error{file, b.line, fmt.Sprintf("damaged certificate: %v; copy the file again from where it was issued", err)}
		}
		list, lines = append(list, certificate), append(lines, b.line)
	}
	if len(list) == 0 {
		return nil, nil, &Error{file, 0, "no certificate found; want a PEM file"}
	}
	return list, lines, nil
}

func isKey(blockType string) bool { return strings.HasSuffix(blockType, "PRIVATE KEY") }

// Certificates parses every certificate of a file: at least one, nothing damaged,
// and no other block but keys.
func Certificates(file string, text []byte) ([]*x509.Certificate, error) {
	list, _, err := certificates(file, text, true)
	return list, err
}
