// Request ids are UUIDs of version 7.

package clauderunner

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestARequestIDIsAUUIDThatBeginsWithTheTime(t *testing.T) {
	before := time.Now().UnixMilli()
	one, two := newRequestID(), newRequestID()
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if !form.MatchString(one) || !form.MatchString(two) || one == two {
		t.Errorf("got %s and %s", one, two)
	}
	at, err := strconv.ParseInt(strings.ReplaceAll(one[:13], "-", ""), 16, 64)
	if err != nil || at < before || at > time.Now().UnixMilli() {
		t.Errorf("got the time %d of %s, want %d or a little more", at, one, before)
	}
}
