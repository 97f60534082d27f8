package scripting

import (
	"fmt"
	"math"
	"sync"
)

// store is what server:session(fd) gives: plain data that lives as long as the
// session, in Go, so that it survives every reload. Two VMs may hold it at
// once (a task worker and the session's worker); one lock guards it whole.
type store struct {
	mu    sync.Mutex
	root  *node
	bytes int
	over  bool // the session has ended
}

// maxStore caps the data of one session, in bytes as cost counts them.
const maxStore = 1 << 20

// node is one table of a store. Values are nil, bool, float64, string, *node.
type node struct {
	list []any       // keys 1..len(list); the last is never nil
	at   map[any]int // key to place in keys and vals
	keys []any
	vals []any // nil where the key was cleared
	live int   // keys with a value
	mark Mark
	cut  bool // taken out of its store: held by a script still, charged to nobody
}

func newStore() *store { return &store{root: &node{}} }

// index turns a key into a place in the list part.
func index(key any) (int, bool) {
	f, ok := key.(float64)
	if !ok || f != math.Trunc(f) || f < 1 || f > 1<<30 {
		return 0, false
	}
	return int(f), true
}

func (n *node) get(key any) any {
	if i, ok := index(key); ok && i <= len(n.list) {
		return n.list[i-1]
	}
	if i, ok := n.at[key]; ok {
		return n.vals[i]
	}
	return nil
}

func (n *node) set(key, val any) {
	if i, ok := index(key); ok && i <= len(n.list) {
		n.list[i-1] = val
		n.trim()
		return
	} else if ok && i == len(n.list)+1 && val != nil {
		n.clear(key)
		n.list = append(n.list, val)
		for n.live > 0 { // what stood beyond the end joins the list
			next := float64(len(n.list) + 1)
			v := n.get(next)
			if v == nil {
				break
			}
			n.clear(next)
			n.list = append(n.list, v)
		}
		return
	}
	if val == nil {
		n.clear(key)
		return
	}
	if i, ok := n.at[key]; ok {
		if n.vals[i] == nil {
			n.live++
		}
		n.vals[i] = val
		return
	}
	if n.at == nil {
		n.at = map[any]int{}
	}
	n.at[key] = len(n.keys)
	n.keys = append(n.keys, key)
	n.vals = append(n.vals, val)
	n.live++
}

// clear removes a key of the hash part. Its place stays for running loops
// until most places are empty.
func (n *node) clear(key any) {
	i, ok := n.at[key]
	if !ok || n.vals[i] == nil {
		return
	}
	n.vals[i] = nil
	n.live--
}

func (n *node) trim() {
	for len(n.list) > 0 && n.list[len(n.list)-1] == nil {
		n.list = n.list[:len(n.list)-1]
	}
}

// compact forgets cleared keys. Called when a new key comes in, as Lua allows
// no new keys while a table is traversed.
func (n *node) compact() {
	if len(n.keys) < 16 || n.live*2 > len(n.keys) {
		return
	}
	keys, vals := n.keys, n.vals
	n.keys, n.vals, n.at = nil, nil, make(map[any]int, n.live)
	for i, k := range keys {
		if vals[i] != nil {
			n.at[k] = len(n.keys)
			n.keys = append(n.keys, k)
			n.vals = append(n.vals, vals[i])
		}
	}
}

// next is the traversal: the key and value after key, nil at the end.
func (n *node) next(key any) (any, any, error) {
	i := 0
	switch at, isIndex := index(key); {
	case key == nil:
	case isIndex && at <= len(n.list):
		i = at
	default:
		p, ok := n.at[key]
		if !ok {
			if !isIndex {
				return nil, nil, fmt.Errorf("the key to go on from is not in the table")
			}
			p = -1 // it was the end of the list, which shrank meanwhile
		}
		i = len(n.list) + p + 1
	}
	for ; i < len(n.list); i++ {
		if n.list[i] != nil {
			return float64(i + 1), n.list[i], nil
		}
	}
	for i -= len(n.list); i < len(n.keys); i++ {
		if n.vals[i] != nil {
			return n.keys[i], n.vals[i], nil
		}
	}
	return nil, nil, nil
}

// cost is what v counts against maxStore.
func cost(v any) int {
	switch x := v.(type) {
	case nil:
		return 0
	case string:
		return 32 + len(x)
	case *node:
		sum := 64
		for _, e := range x.list {
			if e != nil {
				sum += listKey + cost(e)
			}
		}
		for i, k := range x.keys {
			if x.vals[i] != nil {
				sum += cost(k) + cost(x.vals[i])
			}
		}
		return sum
	}
	return 16
}

// listKey is what a key of the list part costs: as much as any number.
const listKey = 16

// put stores val under key in n, within the cap.
func (s *store) put(n *node, key, val any) error {
	old := n.get(key)
	d := cost(val) - cost(old)
	if old == nil {
		d += cost(key)
	}
	if val == nil {
		d -= cost(key)
	}
	if err := s.charge(n, d); err != nil {
		return err
	}
	cutOff(old, n.cut)
	if n.cut {
		cutOff(val, false)
	}
	if old == nil && val != nil {
		n.compact()
	}
	n.set(key, val)
	return nil
}

// charge counts d more bytes in n, or refuses them.
func (s *store) charge(n *node, d int) error {
	if n.cut {
		return nil
	}
	if d > 0 && s.bytes+d > maxStore {
		return fmt.Errorf("the session's data would be larger than %d bytes", maxStore)
	}
	s.bytes += d
	return nil
}

// cutOff marks a table that leaves the store, and all below it: a script may
// hold it still and go on writing to it.
func cutOff(v any, done bool) {
	n, ok := v.(*node)
	if !ok || done {
		return
	}
	n.cut = true
	for _, e := range n.list {
		cutOff(e, false)
	}
	for _, e := range n.vals {
		cutOff(e, false)
	}
}

// insert makes room for val at place at of the list; 0 is behind its end.
func (s *store) insert(n *node, at int, val any) error {
	size := len(n.list)
	if at == 0 {
		at = size + 1
	}
	if at < 1 || at > size+1 {
		return fmt.Errorf("bad argument #2 to 'insert' (position %d is not in 1..%d)", at, size+1)
	}
	if at == size+1 {
		return s.put(n, float64(at), val)
	}
	d := cost(val)
	if val != nil {
		d += listKey
	}
	if err := s.charge(n, d); err != nil {
		return err
	}
	if n.cut {
		cutOff(val, false)
	}
	n.set(float64(size+1), n.list[size-1])
	copy(n.list[at:size], n.list[at-1:size-1])
	n.list[at-1] = val
	return nil
}

// remove takes place at, 0 is the last, out of the list.
func (s *store) remove(n *node, at int) any {
	size := len(n.list)
	if at == 0 {
		at = size
	}
	if at < 1 || at > size {
		return nil
	}
	v := n.list[at-1]
	if v != nil {
		s.charge(n, -cost(v)-listKey)
		cutOff(v, n.cut)
	}
	copy(n.list[at-1:], n.list[at:])
	n.list[size-1] = nil
	n.trim()
	return v
}

// toNode copies plain data into the store.
func toNode(v any) any {
	t, ok := v.(*plainTable)
	if !ok {
		return v
	}
	n := &node{mark: t.mark}
	for i, e := range t.list {
		n.set(float64(i+1), toNode(e))
	}
	for i, k := range t.keys {
		n.set(k, toNode(t.vals[i]))
	}
	return n
}

// fromNode copies data out of the store.
func fromNode(v any) any {
	n, ok := v.(*node)
	if !ok {
		return v
	}
	t := &plainTable{mark: n.mark}
	for _, e := range n.list {
		t.list = append(t.list, fromNode(e))
	}
	for i, k := range n.keys {
		if n.vals[i] != nil {
			t.keys = append(t.keys, k)
			t.vals = append(t.vals, fromNode(n.vals[i]))
		}
	}
	return t
}
