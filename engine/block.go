package engine

import "context"

// Block runs fn on a goroutine of its own while the fiber waits. A cancel
// releases the fiber at once and ends ctx; fn is counted as a straggler until
// it returns. fn must touch nothing that the baton protects. Baton holder.
func (f *Fiber) Block(what string, fn func(ctx context.Context)) error {
	w, err := f.Begin(what)
	if err != nil {
		return err
	}
	e := f.loop.eng
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	e.blocking.Add(1)
	e.helpers.Add(1)
	go func() {
		defer e.helpers.Done()
		defer e.blocking.Add(-1)
		defer w.Wake(nil) // also when fn panics: the panic ends the process, with its stack
		fn(ctx)
	}()
	_, err = f.Wait(0)
	return err
}
