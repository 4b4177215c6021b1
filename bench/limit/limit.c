/* The limit: the least a server can do that fans WebSocket messages out from one thread.
 *
 * It knows one kind of connection and two commands, finds the message in a publish command without reading JSON,
 * keeps no history and gives no promise. `coalesce` joins what was published in one turn of the loop to one write
 * per subscriber; without it every message is one write. No program on this kernel that makes one `send` per
 * subscriber can be much faster, so it is what the others are measured against.
 */
#define _GNU_SOURCE
#include "sha1.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILES_MAX 20000
#define READ_BYTES (1 << 20)
#define PENDING_BYTES (1 << 22)
#define EVENTS_MAX 1024

struct client {
    char *held; /* an incomplete frame, or bytes that the socket did not take */
    size_t held_length;
    uint8_t is_upgraded, is_subscriber;
    int place; /* in `subscribers` */
};

static struct client clients[FILES_MAX];
static int subscribers[FILES_MAX], subscriber_count;
static char *room, pending[PENDING_BYTES];
static size_t pending_length;
static int poller, coalesce;

static const char connected[] =
    "{\"type\":\"connected\",\"message\":\"Connected to limit\",\"timestamp\":\"2026-01-01T00:00:00.000Z\","
    "\"connection_id\":\"00000000000000000000000000000000\"}";
static const char pong[] = "{\"type\":\"pong\",\"timestamp\":\"2026-01-01T00:00:00.000Z\"}";

static size_t put_frame(char *out, const char *payload, size_t length) {
    size_t header = 2;
    out[0] = (char)0x81;
    if (length < 126) {
        out[1] = (char)length;
    } else {
        out[1] = 126;
        out[2] = (char)(length >> 8);
        out[3] = (char)length;
        header = 4;
    }
    memcpy(out + header, payload, length);
    return header + length;
}

static void drop(int fd) {
    struct client *client = &clients[fd];
    if (client->is_subscriber) {
        subscribers[client->place] = subscribers[--subscriber_count];
        clients[subscribers[client->place]].place = client->place;
    }
    free(client->held);
    memset(client, 0, sizeof *client);
    close(fd);
}

/* A socket that is full blocks the server: it has no rule for slow clients, and the load has none. */
static void put(int fd, const char *data, size_t length) {
    while (length) {
        ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
        if (sent > 0) {
            data += sent;
            length -= (size_t)sent;
        } else if (errno == EAGAIN) {
            usleep(100);
        } else {
            return; /* its end is read soon */
        }
    }
}

static void flush(void) {
    for (int index = 0; index < subscriber_count; index++) put(subscribers[index], pending, pending_length);
    pending_length = 0;
}

static void publish(const char *message, size_t length) {
    if (pending_length + length + 10 > PENDING_BYTES) flush();
    pending_length += put_frame(pending + pending_length, message, length);
    if (!coalesce) flush();
}

static void command(int fd, const char *text, size_t length) {
    char frame[128];
    if (length > 17 && memcmp(text, "{\"action\":\"publish\"", 19) == 0) {
        const char *message = memmem(text, length, "\"message\":", 10);
        if (message) publish(message + 10, (size_t)(text + length - 1 - (message + 10)));
    } else {
        put(fd, frame, put_frame(frame, pong, sizeof pong - 1));
    }
}

static size_t take_upgrade(int fd, char *data, size_t length) {
    char *end = memmem(data, length, "\r\n\r\n", 4), *key = memmem(data, length, "Sec-WebSocket-Key: ", 19);
    char answer[512], accept[32];
    if (!end) return 0;
    if (!key || !memchr(key, '\r', (size_t)(data + length - key))) {
        drop(fd);
        return length;
    }
    websocket_accept(key + 19, 24, accept);
    int size = snprintf(answer, sizeof answer,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %s\r\n\r\n",
                        accept);
    size += (int)put_frame(answer + size, connected, sizeof connected - 1);
    clients[fd].is_upgraded = 1;
    if (memmem(data, (size_t)(end - data), "?project_id=", 12)) {
        clients[fd].is_subscriber = 1;
        clients[fd].place = subscriber_count;
        subscribers[subscriber_count++] = fd;
    }
    put(fd, answer, (size_t)size);
    return (size_t)(end + 4 - data);
}

static size_t take_frame(int fd, char *data, size_t length) {
    if (length < 6) return 0;
    size_t size = (unsigned char)data[1] & 0x7f, header = 6;
    if (size == 126) {
        if (length < 8) return 0;
        size = (size_t)(unsigned char)data[2] << 8 | (unsigned char)data[3];
        header = 8;
    }
    if (length < header + size) return 0;
    char *mask = data + header - 4, *payload = data + header;
    for (size_t index = 0; index < size; index++) payload[index] ^= mask[index & 3];
    if ((data[0] & 0x0f) == 1) command(fd, payload, size);
    return header + size;
}

static void readable(int fd) {
    struct client *client = &clients[fd];
    size_t length = client->held_length, taken = 0, at = 0;
    if (length) memcpy(room, client->held, length);
    client->held_length = 0;
    ssize_t got = recv(fd, room + length, READ_BYTES - length, 0);
    if (got <= 0) {
        drop(fd);
        return;
    }
    length += (size_t)got;
    do {
        at += taken;
        taken = client->is_upgraded ? take_frame(fd, room + at, length - at) : take_upgrade(fd, room + at, length - at);
    } while (taken && at + taken <= length && at < length);
    if (at < length) {
        client->held = realloc(client->held, length - at);
        memcpy(client->held, room + at, length - at);
        client->held_length = length - at;
    }
}

static void accept_all(int listener) {
    int one = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= FILES_MAX) {
            close(fd);
            continue;
        }
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int argc, char **argv) {
    static struct epoll_event events[EVENTS_MAX];
    struct rlimit files;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (argc < 2) return 2;
    address.sin_port = htons((uint16_t)atoi(argv[1]));
    coalesce = argc > 2 && strcmp(argv[2], "coalesce") == 0;
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 2048) < 0) return 1;
    poller = epoll_create1(EPOLL_CLOEXEC);
    room = malloc(READ_BYTES);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(poller, events, EVENTS_MAX, -1);
        for (int index = 0; index < count; index++) {
            if (events[index].data.fd == listener)
                accept_all(listener);
            else
                readable(events[index].data.fd);
        }
        if (pending_length) flush();
    }
}
