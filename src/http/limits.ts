// The bounds of the HTTP server, each with its reason. Bounds of single fields are in the schemas.

/** An authorisation with 16 candidates and 32 labels each has about 150 KiB; batches and definitions state their own. */
export const BODY_BYTES_MAX = 1024 * 1024;

/** Keys, labels as headers, cookies of a proxy in front: Node's own default, stated so that it stays. */
export const HEADER_BYTES_MAX = 16 * 1024;

/** An id of 128 characters of which each is three bytes of UTF-8, percent-encoded. */
export const PATH_PARAMETER_LENGTH_MAX = 128 * 9;

/** A client has this long to send its headers, and then all of its request: 32 MiB at 2 Mbit/s fit. */
export const HEADERS_TIMEOUT_MS = 15_000;
export const REQUEST_TIMEOUT_MS = 120_000;
/** How often Node looks for clients that are slower than that. */
export const TIMEOUT_CHECK_MS = 5_000;

/** Longer than the 60 s after which common load balancers drop idle connections, so that they close first. */
export const KEEP_ALIVE_MS = 72_000;

/** Sockets at once: ten times the open streams that the server is measured with; each takes some 20 KiB. */
export const CONNECTIONS_MAX = 20_000;

/** Commands with an Idempotency-Key being decided at once: as many as the ledger lets wait, and a batch on top. */
export const IN_FLIGHT_MAX = 65_536;

/** Characters of a refused value that a message repeats. */
export const VALUE_SHOWN_MAX = 64;

/** How often a server that closes looks for connections that have become idle. */
export const CLOSING_LOOK_MS = 20;
