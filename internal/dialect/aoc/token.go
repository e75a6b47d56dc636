package aoc

import (
	"bytes"
	"compress/zlib"
	"crypto"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

func number(n int64) string { return strconv.FormatInt(n, 10) }

// iso is how the vendor writes times.
const iso = "2006-01-02T15:04:05Z"

func stamp(t time.Time) string { return t.UTC().Format(iso) }

// kid names a key by the second it was made, as the vendor's keys are named.
func kid(k *jose.Key) string {
	return time.Unix(k.Created, 0).UTC().Format("2006-01-02T15:04:05+00:00")
}

func header(k *jose.Key, typ string) jose.Object {
	return jose.Obj().Str("typ", typ).Str("alg", string(k.Alg)).Str("kid", k.ID)
}

// claims are those of a recorded token, in its order. Clients read exp, expires_at
// and sub.
func claims(f policy.Facts) jose.Object {
	user := number(f.Subject.User)
	return jose.Obj().
		Str("user_id", user).
		Str("scope", f.Scope.String()).
		Str("expires_at", stamp(f.Expires)).
		Str("uuid", uuid(f.ID)).
		Str("organization_id", number(f.Org.Number)).
		Int("exp", f.Expires.Unix()).
		Str("sub", f.Subject.Email).
		Str("name", displayName(f.Subject)).
		Str("given_name", f.Subject.GivenName).
		Str("family_name", f.Subject.FamilyName).
		Int("iat", f.Now.Unix()).
		Str("iss", f.Issuer).
		Str("id", "aoc-"+user).
		Str("realmid", f.Subject.Realm).
		Str("identifier", user)
}

func displayName(s oauth.Subject) string {
	if s.DisplayName != "" {
		return s.DisplayName
	}
	if name := strings.TrimSpace(s.GivenName + " " + s.FamilyName); name != "" {
		return name
	}
	return s.Name
}

// uuidGroups are the lengths of a UUID's parts, in characters.
var uuidGroups = [...]int{8, 4, 4, 4, 12}

// uuid writes 32 hex characters as a UUID is written.
func uuid(hex string) string {
	var b strings.Builder
	for i, n := range uuidGroups {
		if len(hex) < n {
			return ""
		}
		if i > 0 {
			b.WriteByte('-')
		}
		b.WriteString(hex[:n])
		hex = hex[n:]
	}
	return b.String()
}

// handle reads back what claims wrote as uuid: exactly that spelling, or nothing.
func handle(c jose.Claims) (id, secret string) {
	text, _ := c.Text("uuid")
	id = strings.ReplaceAll(text, "-", "")
	if uuid(id) != text {
		return "", ""
	}
	return id, ""
}

// A node bearer token is base64(zlib(JSON, delimiter, signature)): the format a
// transfer node reads in the header of that name.
const (
	nodeDelimiter = "==SIGNATURE=="
	nodeLine      = 60 // characters of a line of the signature
	nodeStart     = "eJ"
)

// looksNode: base64 of the two bytes every zlib stream of ours starts with.
func looksNode(token string) bool { return strings.HasPrefix(token, nodeStart) }

// spellNode writes a node bearer token: the node that holds the organization's
// public key checks it alone, without asking this server.
func spellNode(k *jose.Key, f policy.Facts) (string, error) {
	if k.Signer == nil {
		return "", errors.New("aoc: node token: key has no private part")
	}
	body := jose.Obj().
		Str("user_id", number(f.Subject.User)).
		Strs("group_ids", f.Subject.Groups).
		Str("scope", f.Scope.String()).
		Str("auth_type", "access_key").
		Str("expires_at", stamp(f.Expires)).
		Bytes()
	sum := sha512.Sum512(body)
	sig, err := k.Signer.Sign(rand.Reader, sum[:], crypto.SHA512)
	if err != nil {
		return "", fmt.Errorf("aoc: sign node token: %w", err)
	}
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, err = z.Write([]byte(string(body) + "\n" + nodeDelimiter + "\n" + folded(base64.StdEncoding.EncodeToString(sig))))
	if err = errors.Join(err, z.Close()); err != nil {
		return "", fmt.Errorf("aoc: pack node token: %w", err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

// folded breaks text into lines, each with its line feed.
func folded(text string) string {
	var b strings.Builder
	for len(text) > nodeLine {
		b.WriteString(text[:nodeLine] + "\n")
		text = text[nodeLine:]
	}
	return b.String() + text + "\n"
}
