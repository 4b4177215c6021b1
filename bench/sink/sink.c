/* A sink that stands in for AWS on loopback: it takes every SendMessageBatch and every DynamoDB write, keeps nothing
 * and answers at once, or after DELAY_MS (second argument). It exists to show what a forward or a publication costs the
 * gateway; it is no SQS and no DynamoDB, and nothing is proved about them with it. Every table is empty. Speaks HTTP/1.1
 * with keep-alive and the AWS JSON protocol. `GET /counts` tells how many requests and messages of SQS it took, and how
 * many updates were deleted. After `GET /updates/N` every ReceiveMessage is answered at once with ten updates, which go to
 * N projects in turn; with 0, as at the start, the queue of updates is empty. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
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
static unsigned long long batches;
static unsigned long long handed_out, deleted; /* updates */
static unsigned update_projects;

/* Answers that wait for their time. All wait equally long, so the oldest one leaves first; a sink with DELAY_MS is not
 * used for updates. */
#define LATE_MAX 4096
#define EMPTY_NS 100000000u /* how late the answer is that there are no updates */
static struct late {
    uint64_t due_ns;
    int fd;
    int size;
    char bytes[5000];
} late[LATE_MAX];
static unsigned late_first, late_count;
static uint64_t delay_ns;

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int leave(int fd, const char *bytes, int size, uint64_t wait_ns) {
    if (!wait_ns || late_count == LATE_MAX || size > (int)sizeof late->bytes) return send(fd, bytes, (size_t)size, MSG_NOSIGNAL) == size;
    struct late *one = &late[(late_first + late_count++) % LATE_MAX];
    *one = (struct late){.due_ns = now_ns() + wait_ns, .fd = fd, .size = size};
    memcpy(one->bytes, bytes, (size_t)size);
    return 1;
}

/* Sends what is due. Returns for how many milliseconds to wait for the next one; -1 if there is none. */
static int send_late(void) {
    while (late_count) {
        struct late *one = &late[late_first];
        uint64_t now = now_ns();
        if (one->due_ns > now) return (int)((one->due_ns - now) / 1000000 + 1);
        send(one->fd, one->bytes, (size_t)one->size, MSG_NOSIGNAL);
        late_first = (late_first + 1) % LATE_MAX;
        late_count--;
    }
    return -1;
}

static void drop(int fd) {
    for (unsigned index = 0; index < late_count; index++) {
        struct late *one = &late[(late_first + index) % LATE_MAX];
        if (one->fd == fd) one->fd = -1;
    }
    free(clients[fd].bytes);
    memset(&clients[fd], 0, sizeof clients[fd]);
    close(fd);
}

static int answer_batch(char *out, const char *body, size_t length) {
    /* The entries' ids, wherever the client's JSON writer puts its spaces. Bodies hold only escaped quotes. */
    const char *at = body, *end = body + length;
    int size = sprintf(out, "{\"Successful\":["), count = 0;
    batches++;
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

static int ten_updates(char *out) {
    int size = sprintf(out, "{\"Messages\":[");
    for (int index = 0; index < 10; index++, handed_out++)
        size += sprintf(out + size,
                        "%s{\"MessageId\":\"00000000-0000-4000-8000-%012llx\",\"ReceiptHandle\":\"%0128llx\",\"MD5OfBody\":"
                        "\"00000000000000000000000000000000\",\"Body\":\"{\\\"project_id\\\":\\\"bench-%05llu\\\",\\\"type\\\":"
                        "\\\"token\\\",\\\"n\\\":%llu,\\\"text\\\":\\\"%0120d\\\"}\"}",
                        index ? "," : "", handed_out, handed_out, handed_out % update_projects, handed_out, 0);
    return size + sprintf(out + size, "]}");
}

static void count_deleted(const char *body, size_t length) {
    for (const char *at = body; (at = memmem(at, (size_t)(body + length - at), "\"ReceiptHandle\"", 15)); at += 15) deleted++;
}

static int answer(int fd, const char *head, const char *body, size_t length) {
    char json[12000] = "{}", response[13000];
    uint64_t wait_ns = delay_ns;
    int size = 2;
    if (memmem(head, (size_t)(body - head), "SendMessageBatch", 16))
        size = answer_batch(json, body, length);
    else if (memmem(head, (size_t)(body - head), "BatchWriteItem", 14))
        size = sprintf(json, "{\"UnprocessedItems\":{}}");
    else if (memmem(head, (size_t)(body - head), "DynamoDB_20120810.Query", 23))
        size = sprintf(json, "{\"Items\":[],\"Count\":0,\"ScannedCount\":0}");
    else if (memcmp(head, "GET /counts", 11) == 0)
        size = sprintf(json, "{\"requests\":%llu,\"messages\":%llu,\"updates\":%llu}", batches, taken, deleted);
    else if (memcmp(head, "GET /updates/", 13) == 0)
        update_projects = (unsigned)atoi(head + 13);
    else if (memmem(head, (size_t)(body - head), "DeleteMessageBatch", 18))
        count_deleted(body, length);
    else if (memmem(head, (size_t)(body - head), "ReceiveMessage", 14)) {
        if (update_projects) size = ten_updates(json);
        else wait_ns = EMPTY_NS;
    }
    int total = sprintf(response,
                        "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: 0\r\n"
                        "Content-Length: %d\r\n\r\n%s",
                        size, json);
    return leave(fd, response, total, wait_ns);
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
    if (argc > 2) delay_ns = (uint64_t)atoi(argv[2]) * 1000000u;
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 512) < 0) return 1;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(poller, events, EVENTS_MAX, send_late());
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
