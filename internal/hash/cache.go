package hash

import (
	"container/list"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
	"time"
)

const (
	longestMemory  = time.Minute
	mostRemembered = 10000
)

type cacheKey [sha256.Size]byte

// cache remembers which credentials were verified lately: products that send a
// password with every request would otherwise cost a worker each time. It holds
// keyed digests only, so its memory tells nobody a password; the stored hash is
// part of the digest, so any change of the password forgets it.
type cache struct {
	life time.Duration
	most int
	macs sync.Pool // keyed HMACs: the key is drawn once per process

	mu    sync.Mutex
	byKey map[cacheKey]*list.Element
	order *list.List // of remembered, latest use first
}

type remembered struct {
	key  cacheKey
	ends time.Time
}

func newCache(most int, life time.Duration) *cache {
	if most <= 0 {
		most = mostRemembered
	}
	if life <= 0 || life > longestMemory {
		life = longestMemory
	}
	secret := make([]byte, sha256.Size)
	_, _ = rand.Read(secret) // never fails (crypto/rand)
	c := &cache{life: life, most: most, byKey: map[cacheKey]*list.Element{}, order: list.New()}
	c.macs.New = func() any { return hmac.New(sha256.New, secret) }
	return c
}

// key digests the three parts with their lengths, so that no two triples that
// differ spell the same bytes.
func (c *cache) key(owner, encoded, secret string) (k cacheKey) {
	mac := c.macs.Get().(hash.Hash)
	defer c.macs.Put(mac)
	mac.Reset()
	buf := make([]byte, 0, 512)
	for _, part := range [...]string{owner, encoded, secret} {
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(part)))
		buf = append(buf, part...)
	}
	mac.Write(buf)
	clear(buf)
	mac.Sum(k[:0])
	return k
}

// has reports whether k was put less than a life ago. A hit does not extend it:
// a password is checked in full at least once a minute.
func (c *cache) has(k cacheKey, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[k]
	if !ok {
		return false
	}
	if now.Before(e.Value.(*remembered).ends) {
		c.order.MoveToFront(e)
		return true
	}
	c.drop(e)
	return false
}

func (c *cache) put(k cacheKey, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[k]; ok {
		e.Value.(*remembered).ends = now.Add(c.life)
		return
	}
	if len(c.byKey) >= c.most {
		c.drop(c.order.Back())
	}
	c.byKey[k] = c.order.PushFront(&remembered{key: k, ends: now.Add(c.life)})
}

func (c *cache) drop(e *list.Element) {
	delete(c.byKey, e.Value.(*remembered).key)
	c.order.Remove(e)
}
