package ratelimit

import "container/list"

// spared is how many entries an eviction looks at for one worth less.
const spared = 16

// lru is a bounded map that forgets the entry not used for longest. Its owner locks.
type lru[V any] struct {
	most  int
	keep  func(*V) bool // an entry to spare while others can go; nil = none
	byKey map[string]*list.Element
	order *list.List // of *entry[V], latest use first
}

type entry[V any] struct {
	key   string
	value V
}

func newLRU[V any](most int, keep func(*V) bool) *lru[V] {
	return &lru[V]{most: most, keep: keep, byKey: map[string]*list.Element{}, order: list.New()}
}

// get is the value of key, nil when there is none.
func (l *lru[V]) get(key string) *V {
	e, ok := l.byKey[key]
	if !ok {
		return nil
	}
	l.order.MoveToFront(e)
	return &e.Value.(*entry[V]).value
}

// make is the value of key, a zero one when it is new.
func (l *lru[V]) make(key string) *V {
	if v := l.get(key); v != nil {
		return v
	}
	if len(l.byKey) >= l.most {
		l.evict()
	}
	e := &entry[V]{key: key}
	l.byKey[key] = l.order.PushFront(e)
	return &e.value
}

// evict forgets one entry. Whoever floods the map with new keys must not be able
// to wash out the entries that hold somebody back, so those get another round.
func (l *lru[V]) evict() {
	for range spared {
		e := l.order.Back()
		if l.keep == nil || !l.keep(&e.Value.(*entry[V]).value) {
			break
		}
		l.order.MoveToFront(e)
	}
	l.drop(l.order.Back().Value.(*entry[V]).key)
}

func (l *lru[V]) drop(key string) {
	if e, ok := l.byKey[key]; ok {
		delete(l.byKey, key)
		l.order.Remove(e)
	}
}
