package bench

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"
)

func BenchmarkColumns(b *testing.B) {
	db, err := sql.Open("sqlite", filepath.Join(b.TempDir(), "x.db")+"?_pragma=journal_mode(wal)")
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	for _, n := range []int{2, 6, 12, 23, 34} {
		var names []string
		for i := range n - 1 {
			names = append(names, fmt.Sprintf("c%d", i))
		}
		t := fmt.Sprintf("t%d", n)
		if _, err := db.Exec("CREATE TABLE " + t + " (id INTEGER PRIMARY KEY, " + strings.Join(names, ", ") + ")"); err != nil {
			b.Fatal(err)
		}
		for i := range 1000 {
			vals := strings.Repeat(", 'abcdefgh'", n-1)
			if _, err := db.Exec(fmt.Sprintf("INSERT INTO %s VALUES (%d%s)", t, i, vals)); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c, _ := db.Conn(context.Background())
			defer c.Close()
			st, err := c.PrepareContext(context.Background(), "SELECT * FROM "+t+" WHERE id = $1")
			if err != nil {
				b.Fatal(err)
			}
			dest := make([]any, n)
			var id int64
			texts := make([]string, n)
			dest[0] = &id
			for i := 1; i < n; i++ {
				dest[i] = &texts[i]
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				if err := st.QueryRowContext(context.Background(), i%1000).Scan(dest...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
