/* Sockets: connecting, the opening handshake, cutting the stream into frames, writing. */
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (1 << 20)
#define EVENTS_MAX 1024

struct connection *connections;
void (*on_meaning)(struct connection *, enum meaning, const char *, size_t);
int is_polling;

static int poller;
static char *room; /* what was held from before, then what is read: one for all connections */

int connections_start(int count) {
    connections = calloc((size_t)count, sizeof *connections);
    room = malloc(READ_BYTES + (1 << 16));
    poller = epoll_create1(EPOLL_CLOEXEC);
    for (int index = 0; index < count; index++) {
        connections[index].fd = -1;
        connections[index].index = (uint32_t)index;
    }
    return poller >= 0 && connections && room;
}

static void broken(struct connection *connection) {
    counts.broken++;
    drop_connection(connection);
    connection->stage = BROKEN;
}

static int port_of(const struct connection *connection, enum role role) {
    if (role == SUBSCRIBER) return options.ports[connection->index % (uint32_t)options.port_count];
    return options.publisher_ports[connection->index % (uint32_t)options.publisher_port_count];
}

void open_connection(struct connection *connection, enum role role, uint32_t project) {
    int one = 1;
    struct linger at_once = {1, 0}; /* a reset: no port is left waiting */
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port_of(connection, role))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->role = role;
    connection->project = project;
    connection->steps = 0;
    connection->held_length = 0;
    connection->stage = CONNECTING;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0) {
        broken(connection);
        return;
    }
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = connection};
    if ((connect(connection->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) ||
        epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &event) < 0)
        broken(connection);
}

void drop_connection(struct connection *connection) {
    if (connection->fd >= 0) close(connection->fd);
    connection->fd = -1;
    connection->stage = FREE;
    connection->held_length = 0;
}

/* Blocks while the socket is full: a server that does not take its input is waited for, and that is counted. */
int write_all(struct connection *connection, const char *data, size_t length) {
    while (length) {
        ssize_t sent = send(connection->fd, data, length, MSG_NOSIGNAL);
        if (sent > 0) {
            data += sent;
            length -= (size_t)sent;
        } else if (sent < 0 && errno == EAGAIN) {
            uint64_t since = now_ns();
            usleep(50);
            counts.stalled_ns += now_ns() - since;
            if (counts.stalled_ns > 20000000000u) return 0;
        } else if (sent < 0 && errno != EINTR) {
            return 0;
        }
    }
    return 1;
}

static void tell(struct connection *connection, enum meaning meaning, const char *data, size_t length) {
    if (meaning == OTHER) return;
    if (meaning == JOINED) {
        connection->stage = READY;
        counts.joined++;
    }
    on_meaning(connection, meaning, data, length);
}

static void start(struct connection *connection) {
    char path[160], request[512];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error || epoll_ctl(poller, EPOLL_CTL_MOD, connection->fd, &event) < 0) {
        broken(connection);
        return;
    }
    if (options.protocol->units != FRAMES) {
        connection->stage = JOINING;
        tell(connection, options.protocol->opened(connection), "", 0);
        return;
    }
    connection->stage = UPGRADING;
    options.protocol->path(connection, path, sizeof path);
    if (!write_all(connection, request, upgrade_request(request, sizeof request, path, options.protocol->subprotocol, options.port)))
        broken(connection);
}

/* Each of these takes one unit from the front of the stream: its size, 0 when it is incomplete. */

static size_t take_upgrade(struct connection *connection, const char *data, size_t length) {
    const char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end) return 0;
    if (memcmp(data, "HTTP/1.1 101", 12) != 0) {
        fprintf(stderr, "handshake refused: %.*s\n", (int)(strchr(data, '\r') - data), data);
        broken(connection);
        return length;
    }
    connection->stage = JOINING;
    tell(connection, options.protocol->opened(connection), data, 0);
    return (size_t)(end + 4 - data);
}

static size_t take_frame(struct connection *connection, const char *data, size_t length) {
    if (length < 2) return 0;
    int opcode = data[0] & 0x0f;
    size_t size = (unsigned char)data[1] & 0x7f, header = size < 126 ? 2 : size == 126 ? 4 : 10;
    if (length < header) return 0;
    if (header > 2) {
        size = 0;
        for (size_t byte = 2; byte < header; byte++) size = size << 8 | (unsigned char)data[byte];
    }
    if (length < header + size) return 0;
    if (opcode < 8) {
        tell(connection, options.protocol->frame(connection, opcode, data + header, size), data + header, size);
    } else if (opcode == 9) {
        char pong[160];
        write_all(connection, pong, websocket_frame(pong, 10, data + header, size));
    } else if (opcode == 8) {
        fprintf(stderr, "closed by the server with %d\n", size >= 2 ? (unsigned char)data[header] << 8 | (unsigned char)data[header + 1] : 0);
        broken(connection);
    }
    return header + size;
}

static size_t take_line(struct connection *connection, const char *data, size_t length) {
    const char *end = memchr(data, '\n', length);
    if (!end) return 0;
    size_t size = (size_t)(end + 1 - data);
    if (data[0] == 'M') { /* MSG subject sid bytes: the payload follows */
        const char *digit = end - 1;
        size_t payload = 0, unit = 1;
        for (digit--; *digit >= '0' && *digit <= '9'; digit--, unit *= 10) payload += unit * (size_t)(*digit - '0');
        size += payload + 2;
        if (length < size) return 0;
    }
    tell(connection, options.protocol->frame(connection, 0, data, size), data, size);
    return size;
}

static size_t take_response(struct connection *connection, const char *data, size_t length) {
    const char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end) return 0;
    const char *field = strcasestr(data, "content-length:"); /* every answer that is measured has one */
    size_t size = (size_t)(end + 4 - data) + (field && field < end ? strtoul(field + 15, NULL, 10) : 0);
    if (length < size) return 0;
    tell(connection, options.protocol->frame(connection, 0, data, size), data, size);
    return size;
}

static void hold(struct connection *connection, const char *data, size_t length) {
    if (length > connection->held_room) {
        connection->held_room = length + 2048;
        connection->held = realloc(connection->held, connection->held_room);
    }
    memcpy(connection->held, data, length);
    connection->held_length = length;
}

static void readable(struct connection *connection) {
    size_t length = connection->held_length;
    if (length) memcpy(room, connection->held, length);
    connection->held_length = 0;
    ssize_t got = recv(connection->fd, room + length, READ_BYTES, 0);
    if (got <= 0) {
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            hold(connection, room, length);
            return;
        }
        broken(connection);
        return;
    }
    counts.bytes += (uint64_t)got;
    length += (size_t)got;
    room[length] = 0; /* heads are searched as text */
    const char *data = room;
    while (length && connection->fd >= 0) {
        size_t taken = connection->stage == UPGRADING            ? take_upgrade(connection, data, length)
                       : options.protocol->units == FRAMES    ? take_frame(connection, data, length)
                       : options.protocol->units == RESPONSES ? take_response(connection, data, length)
                                                              : take_line(connection, data, length);
        if (!taken) break;
        data += taken;
        length -= taken;
    }
    if (length && connection->fd >= 0) hold(connection, data, length);
}

void run_once(int64_t timeout_ns) {
    static struct epoll_event events[EVENTS_MAX];
    uint64_t began = is_polling ? now_ns() : 0;
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000}, none = {0, 0};
    int count = epoll_pwait2(poller, events, EVENTS_MAX, is_polling ? &none : &timeout, NULL);
    if (is_polling && count == 0) {
        sched_yield(); /* the sink shares this core */
        counts.idle_ns += now_ns() - began;
    }
    for (int index = 0; index < count; index++) {
        struct connection *connection = events[index].data.ptr;
        if (connection->fd < 0) continue;
        if (connection->stage == CONNECTING)
            start(connection);
        else
            readable(connection);
    }
}
