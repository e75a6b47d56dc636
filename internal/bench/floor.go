package bench

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"jeton/internal/oauth"
	"jeton/internal/store"
)

// The floors. Those of requests are paths of the floor server; the others are what
// it measures of itself.
const (
	FloorJSON    = "F_json"  // net/http and a fixed document
	Floor        = "F"       // form, Basic header, SHA-256 of a secret, a random token, JSON
	FloorES256   = "F_ES256" // the same with a token signed as crypto/ecdsa does by default
	FloorRS256   = "F_RS256"
	FloorHS256   = "F_HS256"
	VerifyES256  = "V_ES256"  // one verification
	CommitSingle = "commit_1" // one family put and committed by itself
	CommitGroup  = "commit_64"
)

// maxForm bounds what the floor reads of a body, as any server would.
const maxForm = 64 << 10

// floor is the least a token endpoint can be. It keeps nothing.
type floor struct {
	secrets map[string][sha256.Size]byte
	es      *ecdsa.PrivateKey
	rs      *rsa.PrivateKey
	hs      []byte
	static  []byte
	dir     string
}

// ServeFloor runs the floor server until ctx ends. It prints its address as one
// line to out.
func ServeFloor(ctx context.Context, dir string, out io.Writer) error {
	f, err := newFloor(dir)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("bench: floor: %w", err)
	}
	if _, err := fmt.Fprintln(out, l.Addr()); err != nil {
		return fmt.Errorf("bench: floor: %w", err)
	}
	return serve(ctx, l, f.handler())
}

func newFloor(dir string) (*floor, error) {
	f := &floor{secrets: map[string][sha256.Size]byte{}, hs: []byte(NewSeed()), dir: dir}
	w := NewWorld(FloorSeed)
	for i := range Clients {
		id, secret := w.Client(ES256, i)
		f.secrets[id] = sha256.Sum256([]byte(secret))
	}
	var err error
	if f.es, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("bench: floor: %w", err)
	}
	if f.rs, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, fmt.Errorf("bench: floor: %w", err)
	}
	fields := map[string]string{}
	for i := range 12 {
		fields[fmt.Sprintf("endpoint_%02d", i)] = "https://login.example.com/oauth2/" + strconv.Itoa(i)
	}
	if f.static, err = json.Marshal(fields); err != nil {
		return nil, fmt.Errorf("bench: floor: %w", err)
	}
	return f, nil
}

func (f *floor) handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /"+FloorJSON, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(f.static)
	})
	for name, token := range map[string]func(string) (string, error){
		Floor: opaque, FloorES256: f.signES, FloorRS256: f.signRS, FloorHS256: f.signHS,
	} {
		m.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) { f.token(w, r, token) })
	}
	for name, run := range map[string]func() (int, error){
		VerifyES256: f.verify, CommitSingle: f.commits(1, 1500), CommitGroup: f.commits(64, 15000),
	} {
		m.HandleFunc("GET /"+name, func(w http.ResponseWriter, _ *http.Request) { measured(w, run) })
	}
	return m
}

type floorAnswer struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int    `json:"expires_in"`
	Scope   string `json:"scope"`
}

func (f *floor) token(w http.ResponseWriter, r *http.Request, token func(string) (string, error)) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		http.Error(w, "body", http.StatusBadRequest)
		return
	}
	form, err := url.ParseQuery(string(body))
	id, secret, ok := r.BasicAuth()
	sum := sha256.Sum256([]byte(secret))
	kept := f.secrets[id]
	if err != nil || form.Get("grant_type") != "client_credentials" || !ok || subtle.ConstantTimeCompare(sum[:], kept[:]) != 1 {
		http.Error(w, "refused", http.StatusUnauthorized)
		return
	}
	text, err := token(id)
	if err != nil {
		http.Error(w, "token", http.StatusInternalServerError)
		return
	}
	answer, err := json.Marshal(floorAnswer{text, "Bearer", 900, form.Get("scope")})
	if err != nil {
		http.Error(w, "answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(answer)
}

// opaque makes a random token and the hash a server would keep of it.
func opaque(string) (string, error) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	text := base64.RawURLEncoding.EncodeToString(b[:])
	sum := sha256.Sum256([]byte(text))
	return text, ctxErr(sum)
}

// ctxErr uses the hash, so that no compiler leaves it out.
func ctxErr(sum [sha256.Size]byte) error {
	if sum == ([sha256.Size]byte{}) {
		return io.ErrUnexpectedEOF
	}
	return nil
}

type floorClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	Client   string `json:"client_id"`
	Issued   int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	ID       string `json:"jti"`
	Scope    string `json:"scope"`
}

// unsigned is header and claims of a token as RFC 9068 §2 has them.
func unsigned(alg, id string) ([]byte, error) {
	var jti [16]byte
	_, _ = rand.Read(jti[:]) // never fails (crypto/rand)
	now := time.Now().Unix()
	claims, err := json.Marshal(floorClaims{
		"https://login.example.com", id, "https://api.example.com", id, now, now + 900, fmt.Sprintf("%x", jti), "read",
	})
	if err != nil {
		return nil, err
	}
	out := base64.RawURLEncoding.AppendEncode(nil, []byte(`{"alg":"`+alg+`","typ":"at+jwt","kid":"floor"}`))
	return base64.RawURLEncoding.AppendEncode(append(out, '.'), claims), nil
}

func signed(input, signature []byte) string {
	return string(base64.RawURLEncoding.AppendEncode(append(input, '.'), signature))
}

func (f *floor) signES(id string) (string, error) {
	input, err := unsigned("ES256", id)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(input)
	r, s, err := ecdsa.Sign(rand.Reader, f.es, sum[:])
	if err != nil {
		return "", err
	}
	var raw [64]byte
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:])
	return signed(input, raw[:]), nil
}

func (f *floor) signRS(id string) (string, error) {
	input, err := unsigned("RS256", id)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(input)
	raw, err := rsa.SignPKCS1v15(nil, f.rs, crypto.SHA256, sum[:])
	return signed(input, raw), err
}

func (f *floor) signHS(id string) (string, error) {
	input, err := unsigned("HS256", id)
	if err != nil {
		return "", err
	}
	h := hmac.New(sha256.New, f.hs)
	h.Write(input)
	return signed(input, h.Sum(nil)), nil
}

// micro is what the floor measured of itself.
type micro struct {
	Micros float64 `json:"micros"` // processor time of one operation
	Rate   float64 `json:"rate"`   // operations a second
}

// measured runs something alone in the process and answers what it took.
func measured(w http.ResponseWriter, run func() (int, error)) {
	from, used := time.Now(), ownCPU()
	n, err := run()
	took := ownCPU() - used
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	b, err := json.Marshal(micro{float64(took.Microseconds()) / float64(n), float64(n) / time.Since(from).Seconds()})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(b)
}

// ownCPU is the processor time of this process, to the microsecond.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (f *floor) verify() (int, error) {
	const n = 4000
	sum := sha256.Sum256([]byte("signed once"))
	sig, err := ecdsa.SignASN1(rand.Reader, f.es, sum[:])
	if err != nil {
		return 0, err
	}
	for range n {
		if !ecdsa.VerifyASN1(&f.es.PublicKey, sum[:], sig) {
			return 0, io.ErrUnexpectedEOF
		}
	}
	return n, nil
}

// commits puts n families into a database of its own, each durable before its
// writer goes on.
func (f *floor) commits(writers, n int) func() (int, error) {
	return func() (int, error) {
		s, err := store.Open(context.Background(), filepath.Join(f.dir, fmt.Sprintf("floor%d.db", writers)), store.Options{})
		if err != nil {
			return 0, err
		}
		err = putMany(s, writers, n)
		if e := s.Close(); err == nil {
			err = e
		}
		return n, err
	}
}

func putMany(s *store.Store, writers, n int) error {
	errs := make(chan error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < n; i += writers {
				if err := s.PutFamily(context.Background(), plainFamily(), nil); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// plainFamily is what stands behind an opaque token of a client.
func plainFamily() *oauth.Family {
	now := time.Now()
	ends := now.Add(15 * time.Minute).Unix()
	return &oauth.Family{
		ID: store.NewHandle(ends), Org: "default", Dialect: "oidc", Client: "c-opaque-0001", Subject: "c-opaque-0001",
		Scope: oauth.Scope{"read"}, Created: now.UnixMilli(), Expires: ends, Ends: ends,
	}
}
