package config

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"

	"jeton/internal/jose"
)

const keyNext = "give a public key: RSA of 2048 to 4096 bits, P-256, P-384 or Ed25519; `openssl pkey -in private.pem -pubout` prints it"

// sourcesOf names the one source a key has, "" when it has none or several.
func sourcesOf(k Key) string {
	source, n := "", 0
	for name, set := range map[string]bool{"file": k.File != "", "pem": k.PEM != "", "jwk": k.JWK != nil} {
		if set {
			source, n = name, n+1
		}
	}
	if n != 1 {
		return ""
	}
	return source
}

// pemOf turns a JSON Web Key into the PEM form keys are kept in, and gives its id.
func pemOf(k Key) (text, id string, err error) {
	raw, err := json.Marshal(k.JWK)
	if err != nil {
		return "", "", fmt.Errorf("write JWK: %w", err)
	}
	public, err := jose.ParsePublic(string(raw))
	if err != nil {
		return "", "", err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", "", fmt.Errorf("write JWK as PEM: %w", err)
	}
	id, _ = k.JWK["kid"].(string)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), or(k.ID, id), nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
