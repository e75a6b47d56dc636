package dialect

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/core"
)

type kept struct {
	sync.Mutex
	list []*audit.Record
}

func (k *kept) Add(r *audit.Record) error {
	k.Lock()
	defer k.Unlock()
	k.list = append(k.list, r)
	return nil
}

func frontOf(t testing.TB, k *kept) *Front {
	t.Helper()
	d := &Dialect{
		Name:  "keys",
		Words: func(f Refusal) Reply { return Reply{Status: http.StatusTeapot, Body: f.Code} },
		Mount: func(m *Mux, _ *core.Core) {
			m.Handle("GET", "/keys/{name}", func(*Request) (Reply, error) { return Reply{Status: http.StatusOK}, nil })
		},
	}
	return &Front{
		Router: NewRouter(nil, d), Audit: k, Now: time.Now, Log: func(context.Context, string, ...any) {},
		Open: func(hr *http.Request) (*Request, error) {
			return &Request{Request: hr, Org: &client.Org{ID: "o"}, Rest: hr.URL.EscapedPath()}, nil
		},
		Serves: func(*Request, *Dialect) bool { return true },
	}
}

// A part of a path can be the key itself, so a record has the route's pattern.
func TestTheRecordOfAWrongMethodHoldsNothingOfThePath(t *testing.T) {
	k := &kept{}
	f := frontOf(t, k)
	const key = "3f0c2d5e-0000-4000-8000-00000000beef"
	for _, method := range []string{"PATCH", strings.Repeat("X", 5000)} {
		f.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, "/keys/"+key, nil))
	}
	if len(k.list) != 2 {
		t.Fatalf("%d records", len(k.list))
	}
	for _, r := range k.list {
		if strings.Contains(r.Route, key) || !strings.HasSuffix(r.Route, " /keys/{name}") || len(r.Route) > 300 {
			t.Errorf("route %.400q", r.Route)
		}
	}
}

// What no database keeps as a text is the name of nothing: 404 and never a fault.
func TestASegmentThatIsNoTextMatchesNothing(t *testing.T) {
	k := &kept{}
	f := frontOf(t, k)
	for _, segment := range []string{"%00", "a%00b", "%ff", "%c3%28"} {
		at := f.Router.find("GET", "/keys/"+segment, func(*Route) bool { return true })
		if at.route != nil || at.allow != nil {
			t.Errorf("%s: matches %v", segment, at.vars)
		}
	}
}
