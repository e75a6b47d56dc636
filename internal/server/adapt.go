package server

import (
	"context"
	"errors"
	"time"

	"jeton/internal/admin"
	"jeton/internal/audit"
	"jeton/internal/identity"
	"jeton/internal/keys"
	"jeton/internal/mint"
	"jeton/internal/oauth"
	"jeton/internal/ratelimit"
	"jeton/internal/store"
)

// The store speaks its own types and knows no room's interface; these few lines
// put its verbs into each room's words.

type families struct{ *store.Store }

func (families) NewHandle(ends int64) int64 { return store.NewHandle(ends) }

func (f families) PutFamily(ctx context.Context, x *oauth.Family, aliases []mint.Alias) error {
	return f.Store.PutFamily(ctx, x, storeAliases(aliases))
}

func (f families) Redeem(ctx context.Context, x *oauth.Family, aliases []mint.Alias, l oauth.Login, issuer string) error {
	return f.Store.Redeem(ctx, x, storeAliases(aliases), store.Redeemed{Code: l.Redeem, Sealed: l.Sealed, Issuer: issuer})
}

func (f families) Family(ctx context.Context, id int64) (mint.State, error) {
	s, err := f.Store.Family(ctx, id)
	return mint.State(s), err
}

func (f families) FamilyByAlias(ctx context.Context, hash []byte) (mint.State, mint.Alias, error) {
	s, a, err := f.Store.FamilyByAlias(ctx, hash)
	return mint.State(s), mint.Alias(a), err
}

func (f families) Rotate(ctx context.Context, r mint.Rotation) error {
	_, err := f.Store.Rotate(ctx, store.Rotation{
		ID: r.ID, Org: r.Org, Client: r.Client, From: r.From, To: r.To, Now: r.Now,
		Expires: r.Expires, Idle: r.Idle, Used: r.Used, Drop: r.Drop, Add: storeAliases(r.Add),
	})
	return err
}

func storeAliases(in []mint.Alias) []store.Alias {
	if len(in) == 0 {
		return nil
	}
	out := make([]store.Alias, len(in))
	for i, a := range in {
		out[i] = store.Alias(a)
	}
	return out
}

type objects struct{ *store.Store }

func (o objects) ListUsers(ctx context.Context, org string, f admin.UserFilter, after int64, limit int) ([]identity.User, error) {
	return o.Store.ListUsers(ctx, org, store.UserFilter(f), after, limit)
}

func (o objects) CountUsers(ctx context.Context, org string, f admin.UserFilter) (int64, error) {
	return o.Store.CountUsers(ctx, org, store.UserFilter(f))
}

func (o objects) Doc(ctx context.Context, org, kind, id string) (*admin.Doc, error) {
	d, err := o.Store.Doc(ctx, org, kind, id)
	return doc(d), err
}

func (o objects) DocByRef(ctx context.Context, org, kind, ref string) (*admin.Doc, error) {
	d, err := o.Store.DocByRef(ctx, org, kind, ref)
	return doc(d), err
}

func (o objects) ListDocs(ctx context.Context, org, kind, refPrefix string, after int64, limit int) ([]admin.Doc, error) {
	list, err := o.Store.ListDocs(ctx, org, kind, store.DocFilter{RefPrefix: refPrefix}, after, limit)
	out := make([]admin.Doc, len(list))
	for i := range list {
		out[i] = *doc(&list[i])
	}
	return out, err
}

func (o objects) PutDoc(ctx context.Context, d *admin.Doc) error {
	s := storeDoc(d)
	err := o.Store.PutDoc(ctx, s)
	d.Number, d.Version = s.Number, s.Version
	return err
}

func (o objects) UpdateDoc(ctx context.Context, d *admin.Doc) error {
	s := storeDoc(d)
	err := o.Store.UpdateDoc(ctx, s)
	d.Version = s.Version
	return err
}

func (o objects) Apply(ctx context.Context, c admin.Change) error {
	docs := func(in []*admin.Doc) []*store.Doc {
		out := make([]*store.Doc, len(in))
		for i, d := range in {
			out[i] = storeDoc(d)
		}
		return out
	}
	return o.Store.Apply(ctx, store.Change{
		PutOrgs: c.PutOrgs, UpdateOrgs: c.UpdateOrgs, PutClients: c.PutClients, UpdateClients: c.UpdateClients,
		PutUsers: c.PutUsers, UpdateUsers: c.UpdateUsers, PutDocs: docs(c.PutDocs), UpdateDocs: docs(c.UpdateDocs),
	})
}

func (o objects) ListFamilies(ctx context.Context, org string, f admin.FamilyFilter, after int64, limit int) ([]oauth.Family, error) {
	return o.Store.ListFamilies(ctx, org, store.FamilyFilter(f), after, limit)
}

func (o objects) ListConsents(ctx context.Context, org string, user int64) ([]admin.Consent, error) {
	list, err := o.Store.ListConsents(ctx, org, user)
	out := make([]admin.Consent, len(list))
	for i, c := range list {
		out[i] = admin.Consent(c)
	}
	return out, err
}

func (o objects) ListEvents(ctx context.Context, f admin.EventFilter, before audit.ID, limit int) ([]*audit.Record, error) {
	return o.Store.ListEvents(ctx, store.EventFilter(f), before, limit)
}

func doc(d *store.Doc) *admin.Doc {
	if d == nil {
		return nil
	}
	return &admin.Doc{Org: d.Org, Kind: d.Kind, ID: d.ID, Ref: d.Ref, Number: d.Number, Body: d.Body, Created: d.Created, Updated: d.Updated, Version: d.Version}
}

func storeDoc(d *admin.Doc) *store.Doc {
	return &store.Doc{Org: d.Org, Kind: d.Kind, ID: d.ID, Ref: d.Ref, Number: d.Number, Body: d.Body, Created: d.Created, Updated: d.Updated, Version: d.Version}
}

type people struct{ *store.Store }

func (p people) UserByName(ctx context.Context, org, realm, canon string) (*identity.User, error) {
	u, err := p.Store.UserByName(ctx, org, realm, canon)
	return u, userError(err)
}

func (p people) User(ctx context.Context, org string, id int64) (*identity.User, error) {
	u, err := p.Store.User(ctx, org, id)
	return u, userError(err)
}

// UserByMail: an address several users have names nobody.
func (p people) UserByMail(ctx context.Context, org, mail string) (*identity.User, error) {
	u, err := p.Store.UserByMail(ctx, org, mail)
	return u, userError(err)
}

func userError(err error) error {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrMany) {
		return identity.ErrNotFound
	}
	return err
}

type signingKeys struct{ *store.Store }

func (k signingKeys) Keys(ctx context.Context) ([]keys.Row, error) {
	list, err := k.Store.Keys(ctx)
	out := make([]keys.Row, len(list))
	for i, r := range list {
		out[i] = keys.Row{
			ID: r.ID, Org: r.Org, Purpose: r.Purpose, Alg: r.Alg, KID: r.KID, State: r.State,
			Created: r.Created, Signs: r.Signs, Retires: r.Retires, Ends: r.Ends, Public: r.Public, Sealed: r.Sealed, Version: r.Version,
		}
	}
	return out, err
}

func (k signingKeys) ChangeKeys(ctx context.Context, put, update []keys.Row, del []string) error {
	return k.Store.ChangeKeys(ctx, keyRows(put), keyRows(update), del)
}

func keyRows(in []keys.Row) []*store.KeyRow {
	out := make([]*store.KeyRow, len(in))
	for i, r := range in {
		out[i] = &store.KeyRow{
			ID: r.ID, Org: r.Org, Purpose: r.Purpose, Alg: r.Alg, KID: r.KID, State: r.State,
			Created: r.Created, Signs: r.Signs, Retires: r.Retires, Ends: r.Ends, Public: r.Public, Sealed: r.Sealed, Version: r.Version,
		}
	}
	return out
}

type throttles struct{ *store.Store }

func (t throttles) LoadThrottles(ctx context.Context, now int64) (map[string]ratelimit.Kept, error) {
	list, err := t.Store.LoadThrottles(ctx, now)
	out := make(map[string]ratelimit.Kept, len(list))
	for _, x := range list {
		out[x.Key] = ratelimit.Kept{Failures: x.Failures, Until: x.Until, Updated: x.Updated}
	}
	return out, err
}

// perSource counts each account apart for each source, so that a stranger's failures
// slow nobody down but him. A source is what one party has of addresses, not one of
// them: with IPv6 he would otherwise begin anew with each guess.
type perSource struct{ *ratelimit.Throttle }

func (p perSource) Allow(account, addr string) (bool, time.Duration) {
	return p.Throttle.Allow(account+"@"+ratelimit.Source(addr), "")
}

func (p perSource) Failed(ctx context.Context, account, addr string) error {
	return p.Throttle.Failed(ctx, account+"@"+ratelimit.Source(addr), "")
}

func (p perSource) Succeeded(ctx context.Context, account, addr string) error {
	return p.Throttle.Succeeded(ctx, account+"@"+ratelimit.Source(addr), "")
}

// BaseURL is where clients reach the server, "" when a loopback request says so
// itself.
func (s *Server) BaseURL() string { return s.base.url }

// Demo reports whether this is the demo world.
func (s *Server) Demo() bool { return s.config.Demo }
