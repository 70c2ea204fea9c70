/**
 * The bounds of both ports that are no settings: nobody has a reason to change them.
 */

/** The largest response message: gRPC clients refuse more by default. */
export const maxResponseBytes = 4 * 1024 * 1024;

/** The most that all headers of a request may take, in bytes. */
export const maxHeaderBytes = 16 * 1024;

/** The most header lines of a request. */
export const maxHeaderLines = 128;

/** Connections at once on the admin port; those of the other ports are a setting. */
export const maxAdminConnections = 100;

/** Calls at once that need no token, on both ports together: health checks and watches, reflection. */
export const maxAnonymousCalls = 256;

/** The bytes of their requests that are being read, together. */
export const maxAnonymousRequestBytes = 1024 * 1024;

/** How long a TLS handshake, HTTP/1.1 headers or the first bytes of a connection may take. */
export const handshakeTimeoutMs = 10_000;

/** How long the client of a call that was ended may take to read its status, before its stream is reset. */
export const statusLingerMs = 2_000;

/** How long a connection that was idle for too long may take to close, before it is cut off. */
export const closingLingerMs = 1_000;

/** How long a client may go on sending a request that has been answered, before that is cut off. */
export const unreadLingerMs = 3_000;
