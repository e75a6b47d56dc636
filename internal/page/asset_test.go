package page

import (
	"bytes"
	"compress/gzip"
	"io"
	"regexp"
	"strings"
	"testing"
)

func TestAssetsAreKeptForGoodAndSentSmall(t *testing.T) {
	s := newSet(t, Options{})
	for name, kind := range map[string]string{"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8", "post.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"} {
		at := s.names[name]
		if !regexp.MustCompile(`^/assets/[a-z]+-[0-9a-f]{12}\.[a-z]+$`).MatchString(at) {
			t.Errorf("%s is at %q", name, at)
		}
		plain, ok := s.Asset(at, "br")
		if !ok || plain.ContentType != kind || plain.Cache != "public, max-age=31536000, immutable" || plain.Header.Get("Content-Encoding") != "" ||
			plain.Header.Get("Vary") != "Accept-Encoding" || plain.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Fatalf("%s: %+v", name, plain)
		}
		zipped, ok := s.Asset(at, "br, gzip;q=0.5")
		if !ok || zipped.Header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("%s is not sent compressed", name)
		}
		r, err := gzip.NewReader(bytes.NewReader(zipped.Body.([]byte)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, plain.Body.([]byte)) {
			t.Errorf("%s comes out otherwise: %v", name, err)
		}
	}
	for _, no := range []string{"/assets/", "/assets/app.css", "/assets/../set.go", ""} {
		if _, ok := s.Asset(no, ""); ok {
			t.Errorf("%q is there", no)
		}
	}
}

func TestGzipIsSentToWhoReadsIt(t *testing.T) {
	for header, want := range map[string]bool{
		"gzip": true, "GZIP": true, "br, gzip": true, "gzip;q=1.0": true, "gzip ; q=0.001": true,
		"": false, "br": false, "gzip;q=0": false, "gzip;q=0.000": false, "gzip;q=x": false, "xgzip": false, "*": false, strings.Repeat("gzip,", 1000): false,
	} {
		if got := acceptsGzip(header); got != want {
			t.Errorf("%.20q: %v", header, got)
		}
	}
}

func TestTheScriptThatPostsRunsInOldEngines(t *testing.T) {
	b, err := assetFiles.ReadFile("assets/post.js")
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile("=>|`|\\b(const|let|class|async|await)\\b|\\?\\.|innerHTML|eval").Find(b); found != nil {
		t.Errorf("%s is newer than ECMAScript 5", found)
	}
}
