#include "sha1.h"

#include <stdint.h>
#include <string.h>

static uint32_t rotate(uint32_t value, int by) { return value << by | value >> (32 - by); }

static void block(uint32_t state[5], const unsigned char *bytes) {
    uint32_t words[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int index = 0; index < 16; index++)
        words[index] = (uint32_t)bytes[4 * index] << 24 | (uint32_t)bytes[4 * index + 1] << 16 |
                       (uint32_t)bytes[4 * index + 2] << 8 | bytes[4 * index + 3];
    for (int index = 16; index < 80; index++)
        words[index] = rotate(words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16], 1);
    for (int index = 0; index < 80; index++) {
        uint32_t mixed, constant;
        if (index < 20) mixed = (b & c) | (~b & d), constant = 0x5a827999;
        else if (index < 40) mixed = b ^ c ^ d, constant = 0x6ed9eba1;
        else if (index < 60) mixed = (b & c) | (b & d) | (c & d), constant = 0x8f1bbcdc;
        else mixed = b ^ c ^ d, constant = 0xca62c1d6;
        uint32_t next = rotate(a, 5) + mixed + e + constant + words[index];
        e = d, d = c, c = rotate(b, 30), b = a, a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

void websocket_accept(const char *key, size_t length, char *accept) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    unsigned char message[128] = {0}, digest[21] = {0};
    size_t size = length + sizeof guid - 1; /* 60 of the 24-character key: two blocks with the padding */
    memcpy(message, key, length);
    memcpy(message + length, guid, sizeof guid - 1);
    message[size] = 0x80;
    message[126] = (unsigned char)(size * 8 >> 8);
    message[127] = (unsigned char)(size * 8);
    block(state, message);
    block(state, message + 64);
    for (int index = 0; index < 20; index++) digest[index] = (unsigned char)(state[index / 4] >> (24 - 8 * (index % 4)));
    for (int index = 0; index < 7; index++) {
        uint32_t bits = (uint32_t)digest[3 * index] << 16 | (uint32_t)digest[3 * index + 1] << 8 | digest[3 * index + 2];
        for (int digit = 0; digit < 4; digit++) accept[4 * index + digit] = alphabet[bits >> (18 - 6 * digit) & 63];
    }
    accept[27] = '=';
    accept[28] = 0;
}
