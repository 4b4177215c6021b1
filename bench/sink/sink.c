/* A sink that stands in for AWS on loopback: it takes every SendMessageBatch and every DynamoDB write, keeps nothing
 * and answers at once. It exists to show what a forward costs the gateway; it is no SQS, and nothing is proved about
 * SQS with it. Speaks HTTP/1.1 with keep-alive and the AWS JSON protocol. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILES_MAX 4096
#define REQUEST_MAX (1 << 21)
#define EVENTS_MAX 256

struct client {
    char *bytes;
    size_t length;
};

static struct client clients[FILES_MAX];
static unsigned long long taken; /* messages, for their ids */

static void drop(int fd) {
    free(clients[fd].bytes);
    memset(&clients[fd], 0, sizeof clients[fd]);
    close(fd);
}

static int answer_batch(char *out, const char *body, size_t length) {
    /* The entries' ids, wherever the client's JSON writer puts its spaces. Bodies hold only escaped quotes. */
    const char *at = body, *end = body + length;
    int size = sprintf(out, "{\"Successful\":["), count = 0;
    while (count < 10 && (at = memmem(at, (size_t)(end - at), "\"Id\":", 5))) {
        for (at += 5; at < end && *at != '"';) at++;
        const char *id = ++at;
        while (at < end && *at != '"') at++;
        taken++;
        size += sprintf(out + size,
                        "%s{\"Id\":\"%.*s\",\"MessageId\":\"00000000-0000-4000-8000-%012llx\","
                        "\"MD5OfMessageBody\":\"00000000000000000000000000000000\"}",
                        count++ ? "," : "", (int)(at - id), id, taken);
    }
    return size + sprintf(out + size, "]}");
}

static int answer(int fd, const char *head, const char *body, size_t length) {
    char json[4096] = "{}", response[5000];
    int size = 2;
    if (memmem(head, (size_t)(body - head), "SendMessageBatch", 16))
        size = answer_batch(json, body, length);
    else if (memmem(head, (size_t)(body - head), "BatchWriteItem", 14))
        size = sprintf(json, "{\"UnprocessedItems\":{}}");
    int total = sprintf(response,
                        "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: 0\r\n"
                        "Content-Length: %d\r\n\r\n%s",
                        size, json);
    return send(fd, response, (size_t)total, MSG_NOSIGNAL) == total;
}

/* Answers every whole request that has arrived. 0 when the connection cannot go on. */
static int serve(int fd) {
    struct client *client = &clients[fd];
    for (;;) {
        char *head = client->bytes, *body = memmem(head, client->length, "\r\n\r\n", 4);
        if (!body) return client->length < REQUEST_MAX;
        body += 4;
        *(body - 1) = 0;
        char *field = strcasestr(head, "content-length:");
        size_t length = field ? strtoul(field + 15, NULL, 10) : 0, whole = (size_t)(body - head) + length;
        int is_asking = strcasestr(head, "expect: 100-continue") && client->length == (size_t)(body - head);
        *(body - 1) = '\n';
        if (whole > REQUEST_MAX) return 0;
        if (is_asking) send(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL);
        if (client->length < whole) return 1;
        if (!answer(fd, head, body, length)) return 0;
        memmove(head, head + whole, client->length - whole);
        client->length -= whole;
        head[client->length] = 0;
    }
}

static void readable(int fd) {
    struct client *client = &clients[fd];
    if (!client->bytes) client->bytes = malloc(REQUEST_MAX + 1);
    ssize_t got = recv(fd, client->bytes + client->length, REQUEST_MAX - client->length, 0);
    if (got <= 0) {
        drop(fd);
        return;
    }
    client->length += (size_t)got;
    client->bytes[client->length] = 0;
    if (!serve(fd)) drop(fd);
}

int main(int argc, char **argv) {
    static struct epoll_event events[EVENTS_MAX];
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), poller = epoll_create1(EPOLL_CLOEXEC);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (argc < 2) return 2;
    address.sin_port = htons((uint16_t)atoi(argv[1]));
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 512) < 0) return 1;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(poller, events, EVENTS_MAX, -1);
        for (int index = 0; index < count; index++) {
            int fd = events[index].data.fd;
            if (fd != listener) {
                readable(fd);
                continue;
            }
            fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0 || fd >= FILES_MAX) {
                if (fd >= 0) close(fd);
                continue;
            }
            event.events = EPOLLIN;
            event.data.fd = fd;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
        }
    }
}
