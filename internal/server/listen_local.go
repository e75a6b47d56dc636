package server

import (
	"encoding/json"
	"net/http"

	"jeton/internal/audit"
	"jeton/internal/oauth"
	"jeton/internal/web"
	"jeton/internal/wire"
)

// Paths of the admin socket that are there for the commands of this machine alone.
const (
	LocalSetupCode = "/local/setup-code"
	LocalOwners    = "/local/owners"
)

// LocalOwner is an administrator to be made, as sent to LocalOwners.
type LocalOwner struct {
	Name     string `json:"name"`
	Email    string `json:"email,omitempty"`
	Password string `json:"password"`
}

// LocalReply answers both: a code, or what was refused.
type LocalReply struct {
	Code  string `json:"code,omitempty"`
	Base  string `json:"base,omitempty"` // where clients reach the server
	Error string `json:"error,omitempty"`
	Param string `json:"param,omitempty"`
}

// Local is what the admin socket answers: the first administrator, and all else
// through admin. base is where browsers reach the server.
func (s *Server) Local(base string, admin http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+LocalSetupCode, func(w http.ResponseWriter, r *http.Request) {
		code, err := s.Setup().Code(r.Context())
		s.local(w, LocalReply{Code: code.Reveal(), Base: base}, err)
	})
	mux.HandleFunc("POST "+LocalOwners, func(w http.ResponseWriter, r *http.Request) {
		o, err := localOwner(r)
		if err == nil {
			err = s.Setup().Create(r.Context(), o)
		}
		s.local(w, LocalReply{}, err)
	})
	mux.Handle("/", admin)
	return mux
}

func localOwner(r *http.Request) (web.Owner, error) {
	b, err := wire.ReadBody(r, wire.MaxBody)
	if err != nil {
		return web.Owner{}, err
	}
	var o LocalOwner
	if err := json.Unmarshal(b, &o); err != nil {
		return web.Owner{}, oauth.Refuse(oauth.MalformedBody, "")
	}
	return web.Owner{Name: o.Name, Email: o.Email, Password: oauth.Secret(o.Password)}, nil
}

func (s *Server) local(w http.ResponseWriter, reply LocalReply, err error) {
	status := http.StatusOK
	if err != nil {
		e := oauth.AsRefusal(err)
		reply = LocalReply{Error: e.Description, Param: e.Param}
		switch e.Code {
		case oauth.ServerError:
			status = http.StatusInternalServerError
			s.config.Log.Error("request on the admin socket failed", "error", audit.Clean(err.Error()))
		case oauth.Conflict:
			status = http.StatusConflict
		default:
			status = http.StatusBadRequest
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(reply)
}
