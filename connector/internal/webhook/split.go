package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
)

// MaxElements is how many elements an array may have. WhatsApp itself sends up
// to 1,000 updates at once.
const MaxElements = 10_000

var (
	errEmpty    = errors.New("the body is empty")
	errArray    = errors.New("the array does not end, or does not end the body")
	errElements = errors.New("the array has too many elements")
)

// Split gives the elements of a body: those of an array, or the body itself. An
// element is taken as it stands, readable or not, so that one that is broken
// does not cost its neighbours. The elements share the body's memory. An error
// means that the body can only be kept as a whole.
func Split(body []byte) (elements []json.RawMessage, array bool, err error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	switch {
	case len(body) == 0:
		return nil, false, errEmpty
	case body[0] != '[':
		return []json.RawMessage{body}, false, nil
	}
	elements, err = splitArray(body)
	return elements, true, err
}

// splitArray cuts at the commas between the elements. It counts brackets and
// knows strings, and leaves every other mistake to the reading of the element.
func splitArray(body []byte) ([]json.RawMessage, error) {
	var elements []json.RawMessage
	depth, start := 0, 1
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			i = stringEnd(body, i)
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth != 1 {
				continue
			}
			elements = append(elements, bytes.TrimSpace(body[start:i]))
			start = i + 1
		}
		if len(elements) >= MaxElements {
			return nil, errElements
		}
		if depth == 0 {
			return lastElement(elements, body[start:], i-start)
		}
	}
	return nil, errArray
}

// lastElement adds what stands before the closing bracket, which must be the
// body's end.
func lastElement(elements []json.RawMessage, rest []byte, end int) ([]json.RawMessage, error) {
	if end != len(rest)-1 {
		return nil, errArray
	}
	last := bytes.TrimSpace(rest[:end])
	if len(last) == 0 && len(elements) == 0 {
		return nil, nil
	}
	return append(elements, last), nil
}

// stringEnd gives the index of the quote that ends the string that starts at i,
// or of the body's last byte.
func stringEnd(body []byte, i int) int {
	for i++; i < len(body); i++ {
		switch body[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(body) - 1
}
