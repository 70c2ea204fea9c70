// Names for requests that may be sent again.

package clauderunner

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"
)

// newRequestID is a UUID of version 7: the time in milliseconds, then chance, so that the server's index stays in order.
func newRequestID() string {
	var id [16]byte
	rand.Read(id[:]) // Never fails.
	binary.BigEndian.PutUint64(id[:8], uint64(time.Now().UnixMilli())<<16|uint64(id[6])<<8|uint64(id[7]))
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
