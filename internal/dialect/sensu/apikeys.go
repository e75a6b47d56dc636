package sensu

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"jeton/internal/admin"
	"jeton/internal/dialect"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// keyKind is what API keys are kept under; also the label their names are sealed
// with.
const keyKind = Name + "/apikey"

// kept is an API key as it is stored. In Sensu the name of a key is the key, and
// lists show it, so it is kept sealed and found by its hash.
type kept struct {
	User   int64  `json:"user"`
	Name   string `json:"username"` // the user's, for lists
	By     string `json:"created_by"`
	Sealed []byte `json:"name"`
	// Since is the user's RevokedBefore when the key was made: once it has moved on,
	// everything the user held before is void, this key too.
	Since int64 `json:"since"`
}

// apikey is an API key as Sensu shows one.
type apikey struct {
	Metadata meta   `json:"metadata"`
	User     string `json:"username"`
	Created  int64  `json:"created_at"` // unix seconds
}

type meta struct {
	Name string `json:"name"`
	By   string `json:"created_by"`
}

// issued is the answer newer sensuctl reads; older ones read Location.
type issued struct {
	Name string `json:"name"`
	Key  string `json:"key"`
}

const keysPath = "/api/core/v2/apikeys/"

// newKey is 128 random bits in the shape of a UUID. The version bits of RFC 9562
// are left random: nobody checks them, and they would cost six bits.
func newKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// isKey reports whether s has the one spelling of a key.
func isKey(s string) bool {
	if len(s) != 36 || strings.ToLower(s) != s {
		return false
	}
	_, err := hex.DecodeString(s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:])
	return err == nil && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-'
}

// keyRef is what a key is found by.
func keyRef(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// findKey finds a key by itself; NotFound otherwise.
func (f face) findKey(r *dialect.Request, key string) (*admin.Doc, error) {
	if !isKey(key) {
		return nil, oauth.Refuse(oauth.NotFound, "")
	}
	return f.core.Admin.DocByRef(r.Context(), r.Org.ID, keyKind, keyRef(key))
}

// byKey is the user an API key lets in, with the rights that user has now.
func (f face) byKey(r *dialect.Request) (*identity.User, error) {
	key, _, err := wire.Key(r.Header)
	if err != nil {
		return nil, err
	}
	d, err := f.findKey(r, key)
	if oauth.Is(err, oauth.NotFound) {
		r.Audit().Fail("API key", "one of this organization", "unknown", "make a new key")
		return nil, oauth.Refuse(oauth.InvalidToken, "")
	}
	if err != nil {
		return nil, err
	}
	k, err := decodeKey(d)
	if err != nil {
		return nil, err
	}
	u, err := f.core.Users.ByID(r.Context(), r.Org.ID, k.User)
	if err == nil && u.RevokedBefore != k.Since {
		r.Audit().Fail("API key", "made since the user's tokens were ended", "made before", "make a new key")
		return nil, oauth.Refuse(oauth.InvalidToken, "")
	}
	return u, err
}

func decodeKey(d *admin.Doc) (k kept, err error) {
	if err := json.Unmarshal(d.Body, &k); err != nil {
		return kept{}, fmt.Errorf("sensu: read API key %d: %w", d.Number, err)
	}
	return k, nil
}

func (f face) createKey(r *dialect.Request, c caller) (dialect.Reply, error) {
	o, err := body(r, "APIKey")
	if err != nil {
		return dialect.Reply{}, err
	}
	name, _, err := o.Text("username")
	if err != nil {
		return dialect.Reply{}, err
	}
	if name == "" {
		return dialect.Reply{}, oauth.Missing("username")
	}
	u, err := f.core.Admin.UserByName(r.Context(), r.Org.ID, c.realm, name)
	if err != nil {
		return dialect.Reply{}, err
	}
	key, err := f.keepKey(r, c, u)
	if err != nil {
		return dialect.Reply{}, err
	}
	reply := created().With("Location", keysPath+key)
	reply.Body = issued{Name: key, Key: key}
	return reply, nil
}

// keepKey makes a key of u. The object has an id of its own, because ids are not
// secret and the key is.
func (f face) keepKey(r *dialect.Request, c caller, u *identity.User) (string, error) {
	key := newKey()
	d := &admin.Doc{Org: r.Org.ID, Kind: keyKind, ID: newKey(), Ref: keyRef(key)}
	body, err := json.Marshal(kept{
		User: u.ID, Name: u.Name, By: c.user.Name, Since: u.RevokedBefore,
		Sealed: f.core.Vault.Seal(keyKind, []byte(key), sealedFor(d)),
	})
	if err != nil {
		return "", fmt.Errorf("sensu: write API key: %w", err)
	}
	d.Body = body
	return key, f.core.Admin.PutDoc(r.Context(), d)
}

// sealedFor binds a sealed name to its object.
func sealedFor(d *admin.Doc) []byte { return []byte(d.Org + "\x00" + d.ID) }

func (f face) wordKey(d admin.Doc) (apikey, error) {
	k, err := decodeKey(&d)
	if err != nil {
		return apikey{}, err
	}
	name, err := f.core.Vault.Unseal(keyKind, k.Sealed, sealedFor(&d))
	if err != nil {
		return apikey{}, fmt.Errorf("sensu: read API key %d: %w", d.Number, err)
	}
	return apikey{Metadata: meta{Name: string(name), By: k.By}, User: k.Name, Created: d.Created}, nil
}

// listKeys shows keys again, as sensuctl needs to delete one; the record says that
// they were shown, and to whom.
func (f face) listKeys(r *dialect.Request, _ caller) (dialect.Reply, error) {
	p, err := readPage(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	r.Audit().Name(keyKind + ".show")
	rows, err := f.core.Admin.Docs(r.Context(), r.Org.ID, keyKind, "", p.after, p.limit+1)
	if err != nil {
		return dialect.Reply{}, err
	}
	return list(p, rows, f.wordKey, func(d admin.Doc) int64 { return d.Number })
}

func (f face) showKey(r *dialect.Request, _ caller) (dialect.Reply, error) {
	r.Audit().Name(keyKind + ".show")
	d, err := f.findKey(r, r.Var("name"))
	if err != nil {
		return dialect.Reply{}, err
	}
	w, err := f.wordKey(*d)
	return dialect.OK(w), err
}

func (f face) deleteKey(r *dialect.Request, _ caller) (dialect.Reply, error) {
	d, err := f.findKey(r, r.Var("name"))
	if err != nil {
		return dialect.Reply{}, err
	}
	return gone(), f.core.Admin.DeleteDoc(r.Context(), r.Org.ID, keyKind, d.ID)
}
