package mappings

import _ "embed" // The schema is made by a test, from the keys that the loader knows.

//go:embed schema.json
var schema []byte

// Schema gives the JSON Schema of a mapping, for editors that check while one
// types. It says which keys there are and what they take; what an expression means
// only [Load] can tell.
func Schema() []byte { return append([]byte(nil), schema...) }
