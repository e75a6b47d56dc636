package sensu

// Endpoint is one row of the table of rights, for tests that walk it.
type Endpoint struct {
	Method, Pattern string
	Self            bool // a user may call it for himself
}

// Endpoints is that table.
func Endpoints() []Endpoint {
	out := make([]Endpoint, len(resources))
	for i, x := range resources {
		out[i] = Endpoint{x.method, x.pattern, x.right == forSelf}
	}
	return out
}
