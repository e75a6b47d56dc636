package store

import (
	"context"
	"encoding/json"
	"fmt"
)

// Doc is an object a dialect keeps that needs no table of its own. Its ID is
// unique in its organization and kind, its Number too; Ref is what else it is
// found by and need not be unique.
type Doc struct {
	Org, Kind, ID, Ref string
	Number             int64 // 0 = the next of its kind
	Body               json.RawMessage
	Created, Updated   int64 // unix seconds
	Version            int64 // raised with every change
}

const (
	docColumns = `org, kind, id, ref, number, body, created, updated, version`
	selectDoc  = `SELECT ` + docColumns + ` FROM doc WHERE org = $1 AND kind = $2`
	docFilter  = ` AND (CAST($3 AS TEXT) = '' OR substr(ref, 1, length(CAST($3 AS TEXT))) = $3)`

	getDoc      = selectDoc + ` AND id = $3`
	docByRef    = selectDoc + ` AND ref = $3 ORDER BY number LIMIT 2`
	docByNumber = selectDoc + ` AND number = $3`
	listDocs    = selectDoc + docFilter + ` AND number > $4 ORDER BY number LIMIT $5`
	countDocs   = `SELECT COUNT(*) FROM doc WHERE org = $1 AND kind = $2` + docFilter

	putDoc = `INSERT INTO doc (` + docColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`

	updateDoc = `UPDATE doc SET ref = $1, body = $2, updated = $3, version = $4
 WHERE org = $5 AND kind = $6 AND id = $7 AND version = $8`
	deleteDoc = `DELETE FROM doc WHERE org = $1 AND kind = $2 AND id = $3`
	hasDoc    = `SELECT version FROM doc WHERE org = $1 AND kind = $2 AND id = $3`
)

// PutDoc keeps a new object. ErrExists when its id or number is taken.
func (s *Store) PutDoc(ctx context.Context, d *Doc) error {
	return s.write(ctx, "put object", 0, func(t *tx) error { return s.putDoc(t, d) })
}

func (s *Store) putDoc(t *tx, d *Doc) error {
	next := *d
	next.Version = 1
	var version int64
	taken, err := t.row(hasDoc, []any{d.Org, d.Kind, d.ID}, &version)
	if err != nil {
		return err
	}
	if taken {
		return ErrExists
	}
	if next.Number == 0 {
		if next.Number, err = nextNumber(t, "doc:"+d.Kind); err != nil {
			return err
		}
	}
	body, err := docBody(d)
	if err != nil {
		return err
	}
	n, err := t.exec(putDoc, next.Org, next.Kind, next.ID, next.Ref, next.Number, body, next.Created, next.Updated, next.Version)
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrExists
	}
	t.afterwards(func() { *d = next })
	return nil
}

// docBody is the body as text; none is null.
func docBody(d *Doc) (string, error) {
	if len(d.Body) == 0 {
		return "null", nil
	}
	if !json.Valid(d.Body) {
		return "", fmt.Errorf("object %s/%s: body is no JSON", d.Kind, d.ID)
	}
	return string(d.Body), nil
}

// UpdateDoc changes Ref, Body and Updated of an object that is still at Version,
// which it raises. ErrChanged when it is not, ErrNotFound when there is none.
func (s *Store) UpdateDoc(ctx context.Context, d *Doc) error {
	return s.write(ctx, "update object", 0, func(t *tx) error { return s.updateDoc(t, d) })
}

func (s *Store) updateDoc(t *tx, d *Doc) error {
	body, err := docBody(d)
	if err != nil {
		return err
	}
	version := d.Version + 1
	n, err := t.exec(updateDoc, d.Ref, body, d.Updated, version, d.Org, d.Kind, d.ID, d.Version)
	if err != nil {
		return err
	}
	if n == 0 {
		return missed(t, hasDoc, d.Org, d.Kind, d.ID)
	}
	t.afterwards(func() { d.Version = version })
	return nil
}

// DeleteDoc removes an object; ErrNotFound when there is none.
func (s *Store) DeleteDoc(ctx context.Context, org, kind, id string) error {
	return s.write(ctx, "delete object", 0, func(t *tx) error { return s.deleteDocKey(t, DocKey{org, kind, id}) })
}

func (s *Store) deleteDocKey(t *tx, k DocKey) error { return remove(t, deleteDoc, k.Org, k.Kind, k.ID) }

// Doc finds an object by its id; ErrNotFound when there is none.
func (s *Store) Doc(ctx context.Context, org, kind, id string) (*Doc, error) {
	return s.oneDoc(ctx, getDoc, org, kind, id)
}

// DocByRef finds the object with this Ref; ErrNotFound when there is none, ErrMany
// when there are several.
func (s *Store) DocByRef(ctx context.Context, org, kind, ref string) (*Doc, error) {
	return s.oneDoc(ctx, docByRef, org, kind, ref)
}

// DocByNumber finds an object by its number; ErrNotFound when there is none.
func (s *Store) DocByNumber(ctx context.Context, org, kind string, number int64) (*Doc, error) {
	return s.oneDoc(ctx, docByNumber, org, kind, number)
}

func (s *Store) oneDoc(ctx context.Context, query string, args ...any) (*Doc, error) {
	var docs []Doc
	err := s.read(ctx, "object", func(t *tx) (err error) {
		docs, err = readDocs(t, query, args)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(docs) == 0:
		return nil, ErrNotFound
	case len(docs) > 1:
		return nil, ErrMany
	}
	return &docs[0], nil
}

func readDocs(t *tx, query string, args []any) (out []Doc, err error) {
	err = t.rows(query, args, func(scan func(...any) error) error {
		var d Doc
		var body string
		err := scan(&d.Org, &d.Kind, &d.ID, &d.Ref, &d.Number, &body, &d.Created, &d.Updated, &d.Version)
		if err != nil {
			return err
		}
		d.Body = json.RawMessage(body)
		out = append(out, d)
		return nil
	})
	return out, err
}

// DocFilter chooses objects; an empty field asks for nothing.
type DocFilter struct {
	RefPrefix string
}

// ListDocs gives the objects of a kind by number, after the number after.
func (s *Store) ListDocs(ctx context.Context, org, kind string, f DocFilter, after int64, limit int) (out []Doc, err error) {
	err = s.list(ctx, "list objects", func(t *tx) (err error) {
		out, err = readDocs(t, listDocs, []any{org, kind, f.RefPrefix, after, bounded(limit)})
		return err
	})
	return out, err
}

// CountDocs counts the objects of a kind that ListDocs would give.
func (s *Store) CountDocs(ctx context.Context, org, kind string, f DocFilter) (n int64, err error) {
	err = s.list(ctx, "count objects", func(t *tx) error {
		_, err := t.row(countDocs, []any{org, kind, f.RefPrefix}, &n)
		return err
	})
	return n, err
}
