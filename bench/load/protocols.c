/* How each kind of server is joined, published to and asked. All but NATS are spoken to over WebSocket. */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <string.h>

#define TEXT 1
#define BINARY 2

static int starts_with(const char *data, size_t length, const char *prefix) {
    size_t size = strlen(prefix);
    return length >= size && memcmp(data, prefix, size) == 0;
}

static void send_text(struct connection *connection, const char *text) {
    char frame[FRAME_MAX];
    write_all(connection, frame, websocket_frame(frame, TEXT, text, strlen(text)));
}

static enum meaning not_yet(struct connection *connection) {
    (void)connection;
    return OTHER;
}

/* Ours, and every peer that was given the same commands ("plain": joined by its first frame). */

static void gateway_path(const struct connection *connection, char *out, size_t room) {
    if (connection->role == SUBSCRIBER)
        snprintf(out, room, "/ws?project_id=%s", project_names[connection->project]);
    else
        snprintf(out, room, "/ws");
}

static enum meaning gateway_frame(struct connection *connection, int opcode, const char *data, size_t length) {
    (void)opcode;
    if (starts_with(data, length, "{\"type\":\"bench\"")) return DELIVERY;
    if (connection->stage == JOINING) {
        const char *last = connection->role == SUBSCRIBER ? "{\"type\":\"subscription_confirmed\"" : "{\"type\":\"connected\"";
        return starts_with(data, length, last) ? JOINED : OTHER;
    }
    if (starts_with(data, length, "{\"type\":\"pong\"")) return ANSWER;
    if (starts_with(data, length, "{\"type\":\"publish_confirmed\"")) return ANSWER;
    if (starts_with(data, length, "{\"type\":\"forward_confirmed\"")) return ANSWER;
    return starts_with(data, length, "{\"type\":\"error\"") ? REFUSAL : OTHER;
}

static enum meaning plain_frame(struct connection *connection, int opcode, const char *data, size_t length) {
    (void)opcode;
    if (starts_with(data, length, "{\"type\":\"bench\"")) return DELIVERY;
    if (connection->stage == JOINING) return starts_with(data, length, "{\"type\":\"connected\"") ? JOINED : OTHER;
    return starts_with(data, length, "{\"type\":\"pong\"") ? ANSWER : OTHER;
}

static size_t gateway_publish(char *out, uint32_t project, const char *payload, size_t length) {
    char command[FRAME_MAX];
    int size = snprintf(command, sizeof command, "{\"action\":\"publish\",\"project_id\":\"%s\",\"message\":%.*s}",
                        project_names[project], (int)length, payload);
    return websocket_frame(out, TEXT, command, (size_t)size);
}

static size_t gateway_ping(char *out) { return websocket_frame(out, TEXT, "{\"action\":\"ping\"}", 17); }

static size_t gateway_forward(char *out, const char *message_id, const char *payload, size_t length) {
    char command[FRAME_MAX];
    int size = snprintf(command, sizeof command,
                        "{\"action\":\"forward\",\"type\":\"dev\",\"project_id\":\"%s\",\"message_id\":\"%s\",\"data\":%.*s}",
                        project_names[0], message_id, (int)length, payload);
    return websocket_frame(out, TEXT, command, (size_t)size);
}

/* nchan: a channel is a URL, publishing too. */

static void nchan_path(const struct connection *connection, char *out, size_t room) {
    snprintf(out, room, "/%s/%s", connection->role == SUBSCRIBER ? "sub" : "pub", project_names[connection->project]);
}

static enum meaning joined_at_once(struct connection *connection) {
    (void)connection;
    return JOINED;
}

static enum meaning nchan_frame(struct connection *connection, int opcode, const char *data, size_t length) {
    (void)opcode;
    if (connection->role != SUBSCRIBER) return OTHER;
    return starts_with(data, length, "{\"type\":\"bench\"") ? DELIVERY : OTHER;
}

static size_t nchan_publish(char *out, uint32_t project, const char *payload, size_t length) {
    (void)project;
    return websocket_frame(out, TEXT, payload, length);
}

/* Socket.IO 4: Engine.IO packets (first digit) over WebSocket, Socket.IO packets inside (second digit). */

static void socketio_path(const struct connection *connection, char *out, size_t room) {
    if (connection->role == SUBSCRIBER)
        snprintf(out, room, "/socket.io/?EIO=4&transport=websocket&project_id=%s", project_names[connection->project]);
    else
        snprintf(out, room, "/socket.io/?EIO=4&transport=websocket");
}

static enum meaning socketio_frame(struct connection *connection, int opcode, const char *data, size_t length) {
    (void)opcode;
    if (starts_with(data, length, "42[\"m\",{\"type\":\"bench\"")) return DELIVERY;
    if (length == 1 && data[0] == '2') {
        send_text(connection, "3");
        return OTHER;
    }
    if (connection->stage == JOINING) {
        if (data[0] == '0') send_text(connection, "40");
        return starts_with(data, length, "42[\"connected\"") ? JOINED : OTHER;
    }
    return starts_with(data, length, "42[\"pong\"") ? ANSWER : OTHER;
}

static size_t socketio_publish(char *out, uint32_t project, const char *payload, size_t length) {
    char command[FRAME_MAX];
    int size = snprintf(command, sizeof command, "42[\"publish\",\"%s\",%.*s]", project_names[project], (int)length, payload);
    return websocket_frame(out, TEXT, command, (size_t)size);
}

static size_t socketio_ping(char *out) { return websocket_frame(out, TEXT, "42[\"ping\"]", 10); }

/* MQTT 3.1.1 over WebSocket, quality of service 0. */

static void mqtt_path(const struct connection *connection, char *out, size_t room) {
    (void)connection;
    snprintf(out, room, "/mqtt");
}

static enum meaning mqtt_opened(struct connection *connection) {
    char packet[64], frame[96], name[24];
    int name_length = snprintf(name, sizeof name, "bench%u", connection->index);
    static const char head[] = "\x10\x00\x00\x04MQTT\x04\x02\x00\x00"; /* clean session, no keep-alive */
    memcpy(packet, head, 12);
    packet[1] = (char)(12 + name_length);
    packet[12] = 0;
    packet[13] = (char)name_length;
    memcpy(packet + 14, name, (size_t)name_length);
    write_all(connection, frame, websocket_frame(frame, BINARY, packet, 14 + (size_t)name_length));
    return OTHER;
}

static void mqtt_subscribe(struct connection *connection) {
    const char *topic = project_names[connection->project];
    char packet[64], frame[96];
    size_t length = strlen(topic);
    memcpy(packet, "\x82\x00\x00\x01\x00\x00", 6);
    packet[1] = (char)(5 + length);
    packet[5] = (char)length;
    memcpy(packet + 6, topic, length);
    packet[6 + length] = 0;
    write_all(connection, frame, websocket_frame(frame, BINARY, packet, 7 + length));
}

static enum meaning mqtt_frame(struct connection *connection, int opcode, const char *data, size_t length) {
    (void)opcode;
    if (!length) return OTHER;
    switch ((unsigned char)data[0] >> 4) {
    case 2: /* CONNACK */
        if (connection->role != SUBSCRIBER) return JOINED;
        mqtt_subscribe(connection);
        return OTHER;
    case 9: return JOINED; /* SUBACK */
    case 3: return DELIVERY;
    case 13: return ANSWER; /* PINGRESP */
    default: return OTHER;
    }
}

static size_t mqtt_publish(char *out, uint32_t project, const char *payload, size_t length) {
    const char *topic = project_names[project];
    char packet[FRAME_MAX];
    size_t topic_length = strlen(topic), rest = 2 + topic_length + length, at = 1;
    packet[0] = 0x30;
    do {
        packet[at++] = (char)(rest % 128 | (rest >= 128 ? 0x80 : 0));
        rest /= 128;
    } while (rest);
    packet[at++] = 0;
    packet[at++] = (char)topic_length;
    memcpy(packet + at, topic, topic_length);
    memcpy(packet + at + topic_length, payload, length);
    return websocket_frame(out, BINARY, packet, at + topic_length + length);
}

static size_t mqtt_ping(char *out) { return websocket_frame(out, BINARY, "\xc0\x00", 2); }

/* NATS, its own protocol over TCP. A "frame" is a line, or a message with its payload. */

static void no_path(const struct connection *connection, char *out, size_t room) {
    (void)connection;
    snprintf(out, room, "/");
}

static enum meaning nats_frame(struct connection *connection, int opcode, const char *data, size_t length) {
    (void)opcode;
    if (starts_with(data, length, "MSG ")) return DELIVERY;
    if (starts_with(data, length, "INFO ")) {
        char text[160];
        int size = snprintf(text, sizeof text, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
        if (connection->role == SUBSCRIBER)
            size += snprintf(text + size, sizeof text - (size_t)size, "SUB %s 1\r\n", project_names[connection->project]);
        size += snprintf(text + size, sizeof text - (size_t)size, "PING\r\n");
        write_all(connection, text, (size_t)size);
        return OTHER;
    }
    if (starts_with(data, length, "PONG")) return connection->stage == JOINING ? JOINED : ANSWER;
    if (starts_with(data, length, "PING")) write_all(connection, "PONG\r\n", 6);
    return starts_with(data, length, "-ERR") ? REFUSAL : OTHER;
}

static size_t nats_publish(char *out, uint32_t project, const char *payload, size_t length) {
    return (size_t)sprintf(out, "PUB %s %zu\r\n%.*s\r\n", project_names[project], length, (int)length, payload);
}

static size_t nats_ping(char *out) {
    memcpy(out, "PING\r\n", 6);
    return 6;
}

/* Our HTTP API: one message for each request, on connections that are kept alive. */

static size_t http_publish(char *out, uint32_t project, const char *payload, size_t length) {
    return (size_t)sprintf(out,
                           "POST /api/v1/projects/%s/messages HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                           "Accept: */*\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%.*s",
                           project_names[project], options.port, length, (int)length, payload);
}

static enum meaning http_response(struct connection *connection, int opcode, const char *data, size_t length) {
    (void)connection, (void)opcode;
    return starts_with(data, length, "HTTP/1.1 200") ? ANSWER : REFUSAL;
}

static const struct protocol protocols[] = {
    {"gateway", FRAMES, NULL, gateway_path, not_yet, gateway_frame, gateway_publish, gateway_ping, gateway_forward},
    {"plain", FRAMES, NULL, gateway_path, not_yet, plain_frame, gateway_publish, gateway_ping, NULL},
    {"nchan", FRAMES, NULL, nchan_path, joined_at_once, nchan_frame, nchan_publish, NULL, NULL},
    {"socketio", FRAMES, NULL, socketio_path, not_yet, socketio_frame, socketio_publish, socketio_ping, NULL},
    {"mqtt", FRAMES, "mqtt", mqtt_path, mqtt_opened, mqtt_frame, mqtt_publish, mqtt_ping, NULL},
    {"nats", LINES, NULL, no_path, not_yet, nats_frame, nats_publish, nats_ping, NULL},
    {"http", RESPONSES, NULL, no_path, joined_at_once, http_response, http_publish, NULL, NULL},
};

const struct protocol *protocol_named(const char *name) {
    for (size_t index = 0; index < sizeof protocols / sizeof *protocols; index++)
        if (strcmp(protocols[index].name, name) == 0) return &protocols[index];
    return NULL;
}
