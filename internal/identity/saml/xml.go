package saml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/beevik/etree"
)

// Limits of a document. A real response has some 40 elements, one more for each
// group of the user.
const (
	maxDepth      = 32
	maxElements   = 4096
	maxAttributes = 32  // of one element, declarations of namespaces included
	maxPrefixes   = 48  // in scope at one place
	maxNamespace  = 256 // bytes: canonical form repeats it
	maxPrefix     = 64  // bytes
	maxIDs        = 256
)

// The namespaces XML itself reserves (Namespaces in XML §3).
const (
	nsXML   = "http://www.w3.org/XML/1998/namespace"
	nsXMLNS = "http://www.w3.org/2000/xmlns/"
)

// parse reads one document into a tree. It is the only reader of XML here: what is
// canonicalised and what is read afterwards come from one parser, so the two
// cannot see different documents. Anything that could give a document a second
// meaning is refused: document types and with them entities, processing
// instructions, a second root, text outside the root, repeated attributes or ids,
// names with stray colons, prefixes nobody declared.
func parse(b []byte, elements int) (*etree.Element, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("not UTF-8")
	}
	dec := xml.NewDecoder(bytes.NewReader(b))
	dec.Strict = true
	r := &reader{dec: dec, elements: elements, ids: map[string]bool{}}
	for {
		offset := dec.InputOffset()
		token, err := dec.RawToken()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, errors.New("not well-formed")
		}
		if _, start := token.(xml.StartElement); start && !spaced(b[offset:dec.InputOffset()]) {
			return nil, errors.New("attributes without space between them")
		}
		if err := r.token(token, offset); err != nil {
			return nil, err
		}
	}
	if r.root == nil || len(r.open) > 0 {
		return nil, errors.New("the document is not complete")
	}
	return r.root, nil
}

// spaced reports whether white space stands before every attribute of a start tag
// (XML §3.1), which encoding/xml does not ask for. Other readers refuse such a
// document; what we take, they must be able to take.
func spaced(tag []byte) bool {
	quote := byte(0)
	for i, c := range tag {
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
			if i+1 < len(tag) && !bytes.ContainsRune([]byte(xmlSpace+"/>"), rune(tag[i+1])) {
				return false
			}
		}
	}
	return true
}

// aNamespace is a URI with its scheme (RFC 3986 §2): canonical form knows no other
// (Canonical XML §1.3), and programs that check stop at one.
var aNamespace = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.\-]*:([A-Za-z0-9\-._~:/?#@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$`)

// binding is a prefix and the namespace it stands for.
type binding struct{ prefix, namespace string }

// level is an element that is open and how many bindings were in scope before it.
type level struct {
	el     *etree.Element
	before int
}

type reader struct {
	dec      *xml.Decoder
	root     *etree.Element
	open     []level
	scope    []binding
	ids      map[string]bool
	elements int // how many more may come
}

func (r *reader) token(token xml.Token, offset int64) error {
	switch t := token.(type) {
	case xml.StartElement:
		return r.start(t)
	case xml.EndElement:
		return r.end(t)
	case xml.CharData:
		return r.text(string(t))
	case xml.Comment:
		if len(r.open) > 0 {
			r.at().CreateComment(string(t))
		}
		return nil
	case xml.ProcInst:
		if t.Target == "xml" && offset == 0 {
			return nil
		}
		return errors.New("a processing instruction")
	case xml.Directive:
		return errors.New("a document type or other directive")
	}
	return errors.New("not well-formed")
}

// at is the innermost open element.
func (r *reader) at() *etree.Element { return r.open[len(r.open)-1].el }

func (r *reader) text(s string) error {
	if len(r.open) > 0 {
		r.at().AddChild(etree.NewText(s))
		return nil
	}
	if strings.Trim(s, xmlSpace) != "" {
		return errors.New("text outside the document")
	}
	return nil
}

func (r *reader) start(t xml.StartElement) error {
	if r.elements--; r.elements < 0 {
		return errors.New("too many elements")
	}
	if len(r.open) == maxDepth {
		return errors.New("elements nested too deep")
	}
	if len(t.Attr) > maxAttributes {
		return errors.New("too many attributes")
	}
	el := &etree.Element{Space: t.Name.Space, Tag: t.Name.Local}
	before := len(r.scope)
	for _, a := range t.Attr {
		if err := r.declare(a); err != nil {
			return err
		}
		el.Attr = append(el.Attr, etree.Attr{Space: a.Name.Space, Key: a.Name.Local, Value: a.Value})
	}
	if len(r.scope) > maxPrefixes {
		return errors.New("too many namespaces")
	}
	if _, err := r.namespace(t.Name); err != nil {
		return err
	}
	if err := r.attributes(t.Attr); err != nil {
		return err
	}
	switch {
	case len(r.open) > 0:
		r.at().AddChild(el)
	case r.root == nil:
		r.root = el
	default:
		return errors.New("a second root")
	}
	r.open = append(r.open, level{el, before})
	return nil
}

func (r *reader) end(t xml.EndElement) error {
	if len(r.open) == 0 || r.at().Space != t.Name.Space || r.at().Tag != t.Name.Local {
		return errors.New("an end tag without its start")
	}
	last := len(r.open) - 1
	r.scope = r.scope[:r.open[last].before]
	r.open = r.open[:last]
	return nil
}

// declare takes a declaration of a namespace into scope (Namespaces in XML §3).
func (r *reader) declare(a xml.Attr) error {
	prefix := ""
	switch {
	case a.Name.Space == "xmlns":
		prefix = a.Name.Local
		if a.Value == "" {
			return errors.New("a prefix without namespace")
		}
	case a.Name.Space != "" || a.Name.Local != "xmlns":
		return nil
	}
	if prefix == "xml" || prefix == "xmlns" || a.Value == nsXML || a.Value == nsXMLNS {
		return errors.New("a reserved namespace declared")
	}
	if len(a.Value) > maxNamespace || len(prefix) > maxPrefix {
		return errors.New("the name of a namespace too long")
	}
	if a.Value != "" && !aNamespace.MatchString(a.Value) {
		return errors.New("a namespace that is no URI")
	}
	r.scope = append(r.scope, binding{prefix, a.Value})
	return nil
}

// namespace resolves the prefix of a name.
func (r *reader) namespace(n xml.Name) (string, error) {
	if strings.Contains(n.Local, ":") || n.Local == "" {
		return "", errors.New("a name with a stray colon")
	}
	if n.Space == "xml" {
		return nsXML, nil
	}
	for _, b := range slices.Backward(r.scope) {
		if b.prefix == n.Space {
			return b.namespace, nil
		}
	}
	if n.Space != "" {
		return "", errors.New("a prefix nobody declared")
	}
	return "", nil
}

// attributes refuses an attribute given twice, by spelling or by namespace, and an
// id that another element has.
func (r *reader) attributes(attrs []xml.Attr) error {
	seen := make(map[xml.Name]bool, len(attrs))
	for _, a := range attrs {
		name := xml.Name{Local: a.Name.Local} // no prefix: no namespace, whatever the default is
		switch a.Name.Space {
		case "":
		case "xmlns":
			name.Space = nsXMLNS
		default:
			ns, err := r.namespace(a.Name)
			if err != nil {
				return err
			}
			name.Space = ns
		}
		if strings.Contains(a.Name.Local, ":") {
			return errors.New("a name with a stray colon")
		}
		if seen[name] {
			return errors.New("an attribute given twice")
		}
		seen[name] = true
		if strings.EqualFold(a.Name.Local, "id") && name.Space != nsXMLNS {
			if r.ids[a.Value] || len(r.ids) == maxIDs {
				return errors.New("an id given twice, or too many ids")
			}
			r.ids[a.Value] = true
		}
	}
	return nil
}

// xmlSpace is white space as XML has it; Unicode's is wider.
const xmlSpace = " \t\r\n"

// is reports whether el is the element tag of namespace ns, whatever its prefix.
func is(el *etree.Element, ns, tag string) bool {
	return el.Tag == tag && el.NamespaceURI() == ns
}

// children are the elements directly below el that are tag of ns.
func children(el *etree.Element, ns, tag string) []*etree.Element {
	var out []*etree.Element
	for c := range el.ChildElementsSeq() {
		if is(c, ns, tag) {
			out = append(out, c)
		}
	}
	return out
}

// only is the one child of that name: nil when there is none or more than one.
func only(el *etree.Element, ns, tag string) *etree.Element {
	if found := children(el, ns, tag); len(found) == 1 {
		return found[0]
	}
	return nil
}

// attribute is the value of an attribute in no namespace.
func attribute(el *etree.Element, name string) (string, bool) {
	for _, a := range el.Attr {
		if a.Space == "" && a.Key == name {
			return a.Value, true
		}
	}
	return "", false
}

// value is attribute for those where absent and empty mean the same.
func value(el *etree.Element, name string) string {
	v, _ := attribute(el, name)
	return v
}

// text is everything written in el, comments left out and what stands around them
// joined: a comment must not cut a name short. False when el holds elements.
func text(el *etree.Element) (string, bool) {
	var b strings.Builder
	for _, c := range el.Child {
		switch t := c.(type) {
		case *etree.CharData:
			b.WriteString(t.Data)
		case *etree.Element:
			return "", false
		}
	}
	return b.String(), true
}

// trimmed is text without the white space around it, for URIs and base64, which
// people and programs wrap in lines.
func trimmed(el *etree.Element) string {
	s, _ := text(el)
	return strings.Trim(s, xmlSpace)
}

// each walks el and everything below it.
func each(el *etree.Element, see func(*etree.Element)) {
	see(el)
	for c := range el.ChildElementsSeq() {
		each(c, see)
	}
}
