/* The load generator's shared shapes. One thread, one epoll; nothing is allocated while a window is measured. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROJECT_LENGTH_MAX 32
#define PAYLOAD_MAX 4096
#define SERVERS_MAX 8
#define FRAME_MAX (PAYLOAD_MAX + 512)

enum role { SUBSCRIBER, PUBLISHER, CALLER };

enum stage { FREE, CONNECTING, UPGRADING, JOINING, READY, BROKEN };

/* What a server's frame means to the generator. */
enum meaning { OTHER, JOINED, DELIVERY, ANSWER, REFUSAL };

struct connection {
    int fd;
    uint8_t role;
    uint8_t stage;
    uint8_t steps; /* of a handshake that takes several */
    uint32_t index;
    uint32_t project;
    uint32_t in_flight;
    uint64_t received; /* deliveries */
    uint64_t asked_at_ns; /* of the one command in flight of a pinging client */
    char *held; /* an incomplete frame, until the rest arrives */
    size_t held_length;
    size_t held_room;
};

/* How the stream from a server is cut into the units that a protocol looks at. */
enum units { LINES, FRAMES, RESPONSES };

/* How one kind of server is spoken to. What is read comes in whole units: lines, WebSocket frames, HTTP responses. */
struct protocol {
    const char *name;
    enum units units;
    const char *subprotocol;
    void (*path)(const struct connection *, char *out, size_t room);
    /* After the transport is open. Sends what the server waits for; whether the connection is joined by that. */
    enum meaning (*opened)(struct connection *);
    enum meaning (*frame)(struct connection *, int opcode, const char *data, size_t length);
    /* The bytes on the wire that publish `payload`; 0 when this server cannot. */
    size_t (*publish)(char *out, uint32_t project, const char *payload, size_t length);
    size_t (*ping)(char *out);
    size_t (*forward)(char *out, const char *message_id, const char *payload, size_t length);
};

struct options {
    const struct protocol *protocol;
    const char *mode;
    int port;
    int ports[SERVERS_MAX]; /* subscribers take turns with these, callers and publishers with the next ones */
    int port_count;
    int publisher_ports[SERVERS_MAX];
    int publisher_port_count;
    int connections;
    int callers;
    int projects;
    int in_flight;
    int payload_bytes;
    double per_second;
    double seconds;
    double warm_up_s;
    double quiet_s;
    int server_pids[SERVERS_MAX];
    int server_pid_count;
};

struct counts {
    uint64_t sent;
    uint64_t deliveries;
    uint64_t answers;
    uint64_t refusals;
    uint64_t out_of_order;
    uint64_t broken;
    uint64_t joined;
    uint64_t bytes;
    uint64_t stalled_ns; /* how long a sender's socket was full */
    uint64_t idle_ns;    /* how long polling found nothing */
};

struct histogram {
    uint64_t total;
    uint64_t buckets[64 * 128];
};

extern struct options options;
extern struct counts counts;
extern struct histogram latencies;
extern char project_names[][PROJECT_LENGTH_MAX];

/* wire.c */
uint64_t now_ns(void);
size_t websocket_frame(char *out, int opcode, const char *payload, size_t length);
size_t upgrade_request(char *out, size_t room, const char *path, const char *subprotocol, int port);
void histogram_add(struct histogram *, uint64_t nanoseconds);
double histogram_ms(const struct histogram *, double quantile);
size_t make_payload(char *out, size_t bytes, uint64_t sequence);
int payload_at(const char *data, size_t length, uint64_t *sent_at_ns, uint64_t *sequence);
double cpu_of_pid_s(int pid);

/* protocols.c */
const struct protocol *protocol_named(const char *name);

/* connections.c */
extern struct connection *connections;
int connections_start(int count);
void open_connection(struct connection *, enum role role, uint32_t project);
void drop_connection(struct connection *);
int write_all(struct connection *, const char *data, size_t length);
void run_once(int64_t timeout_ns);
/* While something is measured, nothing sleeps here: waking a sleeper on another virtual core costs the server that
 * sends to it tens of microseconds, which no network card would. */
extern int is_polling;
/* Called for every event that matters to a scenario; set by it. */
extern void (*on_meaning)(struct connection *, enum meaning, const char *data, size_t length);

/* scenarios.c */
struct mark {
    uint64_t at_ns;
    struct counts counts;
    double server_s;
    double each_s[SERVERS_MAX];
};

int scenario(void);
struct mark mark(void);
double seconds_since(uint64_t at_ns);
int report(const struct mark *from, const struct mark *to);
int join_all(int count, enum role role, int first);
void wait_until_quiet(void);

/* publishing.c */
int publishing(void);

#endif
