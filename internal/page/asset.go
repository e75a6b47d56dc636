package page

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"

	"jeton/internal/dialect"
)

//go:embed assets
var assetFiles embed.FS

// Content types of assets.
const (
	typeCSS = "text/css; charset=utf-8"
	typeJS  = "text/javascript; charset=utf-8"
	typeSVG = "image/svg+xml"
)

var types = map[string]string{".css": typeCSS, ".js": typeJS, ".svg": typeSVG}

// assetHeader: a picture opened by itself runs nothing, and no other site draws its
// own pages with ours.
var assetHeader = http.Header{
	"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'"},
	"X-Content-Type-Options":       {"nosniff"},
	"Cross-Origin-Resource-Policy": {"same-origin"},
}

// asset is a file as it is sent.
type asset struct {
	kind   string
	plain  []byte
	zipped []byte
}

// loadAssets reads the files: their paths by file name, and the files by path. A
// path holds the content's hash, so that it may be kept for good.
func loadAssets() (paths map[string]string, byPath map[string]asset, err error) {
	paths, byPath = map[string]string{}, map[string]asset{}
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		return nil, nil, fmt.Errorf("page: list assets: %w", err)
	}
	for _, e := range entries {
		content, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			return nil, nil, fmt.Errorf("page: read asset: %w", err)
		}
		kind := path.Ext(e.Name())
		at := "/assets/" + strings.TrimSuffix(e.Name(), kind) + "-" + tag(content) + kind
		zipped, err := zip(content)
		if err != nil {
			return nil, nil, err
		}
		paths[e.Name()], byPath[at] = at, asset{types[kind], content, zipped}
	}
	return paths, byPath, nil
}

func zip(content []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("page: compress: %w", err)
	}
	if _, err := w.Write(content); err != nil {
		return nil, fmt.Errorf("page: compress: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("page: compress: %w", err)
	}
	return b.Bytes(), nil
}

// Asset answers a path that starts with /assets/; false: there is no such file.
func (s *Set) Asset(path, acceptEncoding string) (dialect.Reply, bool) {
	a, ok := s.assets[path]
	if !ok {
		return dialect.Reply{}, false
	}
	r := dialect.Reply{
		Status: http.StatusOK, ContentType: a.kind, Body: a.plain, Header: assetHeader.Clone(),
		Cache: "public, max-age=31536000, immutable",
	}
	r.Header.Set("Vary", "Accept-Encoding")
	if acceptsGzip(acceptEncoding) {
		r.Body = a.zipped
		r.Header.Set("Content-Encoding", "gzip")
	}
	return r, true
}

// acceptsGzip reads Accept-Encoding (RFC 9110 §12.5.3): gzip is named with a weight
// above zero. A wild card is not enough for us.
func acceptsGzip(header string) bool {
	if len(header) > most {
		return false
	}
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		name, weight, weighed := strings.Cut(strings.TrimSpace(params), "=")
		if !weighed || !strings.EqualFold(strings.TrimSpace(name), "q") {
			return true
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(weight), 64)
		return err == nil && q > 0
	}
	return false
}
