/* SHA-1 and base64, only as much as the opening handshake needs (RFC 6455 section 4.2.2). */
#ifndef BENCH_SHA1_H
#define BENCH_SHA1_H

#include <stddef.h>

/* `accept` gets 28 characters and a zero. */
void websocket_accept(const char *key, size_t length, char *accept);

#endif
