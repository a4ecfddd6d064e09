package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestOutlive: a submission goes on for a while after the agent was told to stop.
func TestOutlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := errors.New("stopped")
		ctx, stop := context.WithCancelCause(t.Context())
		began := time.Now()
		long, _ := outlive(ctx, 5*time.Second)
		short, done := outlive(ctx, 5*time.Second)
		stop(stopped)
		synctest.Wait()
		if long.Err() != nil || short.Err() != nil {
			t.Error("ended at once")
		}
		done()
		if short.Err() == nil {
			t.Error("done does not end it")
		}
		<-long.Done()
		if took := time.Since(began); took != 5*time.Second || context.Cause(long) != stopped {
			t.Errorf("ended after %v: %v", took, context.Cause(long))
		}
	})
}
