package web

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"jeton/internal/admin"
	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/identity"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/page"
)

// Bounds of the keys of one person. Each is tried on an assertion that names none.
const (
	maxKeys  = 20
	maxLabel = 64 // characters, as on the page
	minRSA   = 2048
)

// keys lists the public keys whose assertions speak for a person (RFC 7523).
func (f *Face) keys(v *visit) (dialect.Reply, error) {
	x := keysPage(v.user)
	x.Note = f.note(v)
	return f.present(v, x)
}

func keysPage(u *identity.User) page.Keys {
	var x page.Keys
	for _, k := range u.Keys {
		line := page.KeyLine{ID: admin.KeyName(k), Label: keyLabel(k)}
		if k.Created != 0 {
			line.Added = time.Unix(k.Created, 0)
		}
		if pub, err := jose.ParsePublic(k.PEM); err == nil {
			line.Kind, line.Print = kindOf(pub), fingerprint(pub)
		}
		x.List = append(x.List, line)
	}
	return x
}

// keyLabel is what a person calls a key: its label, or the name an operator gave it.
func keyLabel(k client.Key) string {
	if k.Label != "" || k.ID == admin.KeyName(client.Key{PEM: k.PEM}) {
		return k.Label
	}
	return k.ID
}

// fingerprint is SHA-256 over the SubjectPublicKeyInfo, as openssl pkey -pubin
// -outform DER gives it to a person who compares.
func fingerprint(pub crypto.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(der)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// kindOf is a kind of key as people write it, "RSA 3072".
func kindOf(pub crypto.PublicKey) string {
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", pub.N.BitLen())
	case *ecdsa.PublicKey:
		return "EC " + pub.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", pub), "*")
}

// keyProblem is what is wrong with a key that was pasted, as an error of an edit and as
// a note for the page.
type keyProblem struct{ page.Note }

func (p *keyProblem) Error() string { return p.Key }

func badKey(key string, args ...any) *keyProblem {
	return &keyProblem{page.Note{Kind: "danger", Key: key, Args: args}}
}

// readKey reads a key as a person pastes it. What is kept is written by us: nothing
// that stood around the key comes along.
func readKey(text, label string) (client.Key, *keyProblem) {
	text = strings.TrimSpace(text)
	if text == "" {
		return client.Key{}, badKey("keys.wrong.empty")
	}
	if private(text) {
		return client.Key{}, badKey("keys.wrong.private")
	}
	pub, err := jose.ParsePublic(text)
	if err != nil {
		return client.Key{}, whyNot(text)
	}
	kept := jose.MarshalPublicPEM(pub)
	if kept == "" {
		return client.Key{}, badKey("keys.wrong.unreadable")
	}
	label = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == ' ' || unicode.IsPrint(r) {
			return r
		}
		return -1
	}, label))
	if utf8.RuneCountInString(label) > maxLabel {
		return client.Key{}, badKey("keys.wrong.label")
	}
	return client.Key{ID: jose.Thumbprint(pub), PEM: kept, Label: label}, nil
}

// private reports text that holds a private key or says so, in whatever form: it is
// neither kept nor shown again.
func private(text string) bool {
	if strings.Contains(strings.ToUpper(text), "PRIVATE KEY") || strings.HasPrefix(text, "PuTTY-User-Key-File") {
		return true
	}
	var jwk map[string]json.RawMessage
	if !strings.HasPrefix(text, "{") || json.Unmarshal([]byte(text), &jwk) != nil {
		return false
	}
	for _, member := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} { // RFC 7518 §6
		if _, ok := jwk[member]; ok {
			return true
		}
	}
	return false
}

// whyNot finds words for a key that cannot be registered.
func whyNot(text string) *keyProblem {
	switch pub := anyKey(text).(type) {
	case nil:
		return badKey("keys.wrong.unreadable")
	case *rsa.PublicKey:
		if pub.N.BitLen() < minRSA {
			return badKey("keys.wrong.weak", kindOf(pub), minRSA)
		}
		return badKey("keys.wrong.kind", kindOf(pub))
	default:
		return badKey("keys.wrong.kind", kindOf(pub))
	}
}

// anyKey is the public key in a text, good or not; nil when there is none.
func anyKey(text string) crypto.PublicKey {
	if strings.HasPrefix(text, "{") {
		return anyJWK(text)
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	if pub, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
		return pub
	}
	if pub, err := x509.ParsePKCS1PublicKey(block.Bytes); err == nil {
		return pub
	}
	if cert, err := x509.ParseCertificate(block.Bytes); err == nil && cert.PublicKey != nil {
		return cert.PublicKey
	}
	return nil
}

func anyJWK(text string) crypto.PublicKey {
	var jwk struct{ Kty, N string }
	if json.Unmarshal([]byte(text), &jwk) != nil || jwk.Kty != "RSA" {
		return nil
	}
	n, err := base64.RawURLEncoding.DecodeString(jwk.N)
	if err != nil || len(n) == 0 {
		return nil
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n)}
}

// addKey registers a public key of the person.
func (f *Face) addKey(v *visit) (dialect.Reply, error) {
	if !v.fresh(f.Core.Now()) {
		return v.again(), nil
	}
	v.Audit().Name("key.add")
	k, problem := readKey(v.fields.Text("pem"), v.fields.Text("label"))
	if problem == nil {
		k.Created = f.Core.Now().Unix()
		_, err := f.Core.Admin.ChangeUser(v.Context(), v.Org.ID, v.user.ID, "key.add", func(u *identity.User) error {
			if problem = putKey(u, k); problem != nil {
				return problem
			}
			return nil
		})
		if err != nil && problem == nil {
			return dialect.Reply{}, err
		}
	}
	if problem != nil {
		return f.keyAgain(v, problem)
	}
	return f.done(v, "keys", message{Key: "keys.saved"})
}

// putKey adds a key to those of u.
func putKey(u *identity.User, k client.Key) *keyProblem {
	for _, have := range u.Keys {
		if admin.KeyName(have) == k.ID || admin.KeyName(client.Key{PEM: have.PEM}) == k.ID {
			return badKey("keys.wrong.twice")
		}
	}
	if len(u.Keys) >= maxKeys {
		return badKey("keys.wrong.many", len(u.Keys))
	}
	u.Keys = append(slices.Clone(u.Keys), k)
	return nil
}

// keyAgain draws the form again with what was typed, unless that must not be seen.
func (f *Face) keyAgain(v *visit, problem *keyProblem) (dialect.Reply, error) {
	x := keysPage(v.user)
	x.Problem, x.Wrong = problem.Note, "pem"
	x.Label = v.fields.Text("label")
	if problem.Key == "keys.wrong.label" {
		x.Wrong = "label"
	}
	if problem.Key != "keys.wrong.private" {
		x.Typed = v.fields.Text("pem")
	}
	return f.rejected(v, x, &oauth.Error{Code: oauth.InvalidValue, Param: x.Wrong, Description: "the key cannot be registered"})
}

// confirmKey says what ends when a key is removed.
func (f *Face) confirmKey(v *visit) (dialect.Reply, error) {
	q, err := v.Query()
	if err != nil {
		return dialect.Reply{}, err
	}
	for _, k := range keysPage(v.user).List {
		if k.ID == q.Text("id") && k.ID != "" {
			return f.present(v, page.Confirm{
				Key: "key", Args: []any{cmp.Or(k.Label, k.Print)}, Action: places["keys"] + "/remove",
				Fields: []page.Choice{{Value: "id", Label: k.ID}}, Cancel: places["keys"], Danger: true,
			})
		}
	}
	return dialect.Reply{}, oauth.Refuse(oauth.NotFound, "")
}

// removeKey takes a key away: what it signs speaks for nobody from now on.
func (f *Face) removeKey(v *visit) (dialect.Reply, error) {
	if !v.fresh(f.Core.Now()) {
		return v.again(), nil
	}
	v.Audit().Name("key.remove")
	id := v.fields.Text("id")
	_, err := f.Core.Admin.ChangeUser(v.Context(), v.Org.ID, v.user.ID, "key.remove", func(u *identity.User) error {
		i := slices.IndexFunc(u.Keys, func(k client.Key) bool { return admin.KeyName(k) == id })
		if i < 0 {
			return oauth.Refuse(oauth.NotFound, "")
		}
		u.Keys = slices.Delete(slices.Clone(u.Keys), i, i+1)
		return nil
	})
	if err != nil {
		return dialect.Reply{}, err
	}
	return f.done(v, "keys", message{Key: "keys.removed"})
}
