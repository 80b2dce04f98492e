package conform

import "sync"

// mailbox is how the goroutines of a server and of its clients tell the player
// what has happened. Whoever posts does not wait.
type mailbox struct {
	mu   sync.Mutex
	news []func(*player)
	ring chan struct{}
}

func newMailbox() *mailbox { return &mailbox{ring: make(chan struct{}, 1)} }

// post leaves something that the player does when it looks.
func (b *mailbox) post(f func(*player)) {
	b.mu.Lock()
	b.news = append(b.news, f)
	b.mu.Unlock()
	select {
	case b.ring <- struct{}{}:
	default:
	}
}

// take returns what was posted since.
func (b *mailbox) take() []func(*player) {
	b.mu.Lock()
	defer b.mu.Unlock()
	news := b.news
	b.news = nil
	return news
}
