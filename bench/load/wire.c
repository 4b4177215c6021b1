/* Bytes and clocks: WebSocket frames as a client sends them, payloads with their time in them, histograms. */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SENT_AT "\"at\":\""
#define SEQUENCE "\",\"n\":\""

uint64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

size_t websocket_frame(char *out, int opcode, const char *payload, size_t length) {
    /* The mask is the same for all: its cost for the server does not depend on its value. */
    static const unsigned char mask[4] = {0x5a, 0xc3, 0x17, 0x9e};
    size_t header = 2;
    out[0] = (char)(0x80 | opcode);
    if (length < 126) {
        out[1] = (char)(0x80 | length);
    } else if (length < 65536) {
        out[1] = (char)(0x80 | 126);
        out[2] = (char)(length >> 8);
        out[3] = (char)length;
        header = 4;
    } else {
        out[1] = (char)(0x80 | 127);
        for (int byte = 0; byte < 8; byte++) out[2 + byte] = (char)((uint64_t)length >> (56 - 8 * byte));
        header = 10;
    }
    memcpy(out + header, mask, 4);
    header += 4;
    for (size_t index = 0; index < length; index++) out[header + index] = (char)(payload[index] ^ mask[index & 3]);
    return header + length;
}

size_t upgrade_request(char *out, size_t room, const char *path, const char *subprotocol, int port) {
    int length = snprintf(out, room,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s%s%s\r\n",
                          path, port, subprotocol ? "Sec-WebSocket-Protocol: " : "", subprotocol ? subprotocol : "",
                          subprotocol ? "\r\n" : "");
    return (size_t)length;
}

/* Buckets of less than 1 % width: 64 powers of two with 128 steps each. */
void histogram_add(struct histogram *histogram, uint64_t value) {
    int power = value < 128 ? 0 : 63 - __builtin_clzll(value) - 6;
    uint64_t step = power ? (value >> (power - 1)) - 128 : value;
    histogram->buckets[power * 128 + (int)(step & 127)]++;
    histogram->total++;
}

double histogram_ms(const struct histogram *histogram, double quantile) {
    uint64_t rank = (uint64_t)(quantile * (double)histogram->total), seen = 0;
    for (int bucket = 0; bucket < 64 * 128; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen > rank) {
            int power = bucket / 128;
            double value = power ? (double)((uint64_t)(128 + bucket % 128) << (power - 1)) : (double)bucket;
            return value / 1e6;
        }
    }
    return 0;
}

/* One JSON object of exactly `bytes` bytes: {"type":"bench","at":"<ns in hex>","n":"<number in hex>","pad":"..."} */
size_t make_payload(char *out, size_t bytes, uint64_t sequence) {
    int length = sprintf(out, "{\"type\":\"bench\"," SENT_AT "%016llx" SEQUENCE "%012llx\",\"pad\":\"",
                         (unsigned long long)now_ns(), (unsigned long long)sequence);
    while ((size_t)length + 2 < bytes) out[length++] = 'x';
    out[length++] = '"';
    out[length++] = '}';
    return (size_t)length;
}

static int read_hex(const char *digits, int count, uint64_t *value) {
    *value = 0;
    for (int index = 0; index < count; index++) {
        char digit = digits[index];
        int number = digit >= 'a' ? digit - 'a' + 10 : digit - '0';
        if (number < 0 || number > 15) return 0;
        *value = *value << 4 | (unsigned)number;
    }
    return 1;
}

int payload_at(const char *data, size_t length, uint64_t *sent_at_ns, uint64_t *sequence) {
    const char *at = memmem(data, length, SENT_AT, sizeof SENT_AT - 1);
    if (!at || at + 48 > data + length) return 0;
    at += sizeof SENT_AT - 1;
    return read_hex(at, 16, sent_at_ns) && read_hex(at + 16 + sizeof SEQUENCE - 1, 12, sequence);
}

double cpu_of_pid_s(int pid) {
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    size_t length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[length] = 0;
    char *fields = strrchr(line, ')'); /* the name before it may hold spaces */
    unsigned long user = 0, kernel = 0;
    if (!fields || sscanf(fields + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel) != 2) return 0;
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}
