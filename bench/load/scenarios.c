/* What is measured: fan-out, pings, forwards, handshakes, idle connections. Each prints one JSON line. Publishing to
 * many projects is in publishing.c. */
#define _GNU_SOURCE
#include "load.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RING 4096
#define JOINING_MAX 128
#define JOIN_TIMEOUT_S 60.0

char project_names[10001][PROJECT_LENGTH_MAX];

static uint32_t missing[RING]; /* deliveries still to come, by message */
static uint64_t oldest;        /* the first message that is not delivered to everyone */
static uint64_t tags;
static int is_paced;
static int is_measuring;

static double server_cpu_s(double *each) {
    double total = 0;
    for (int index = 0; index < options.server_pid_count; index++) total += each[index] = cpu_of_pid_s(options.server_pids[index]);
    return total;
}

struct mark mark(void) {
    struct mark here = {.at_ns = now_ns(), .counts = counts};
    here.server_s = server_cpu_s(here.each_s);
    return here;
}

double seconds_since(uint64_t at_ns) { return (double)(now_ns() - at_ns) / 1e9; }

int report(const struct mark *from, const struct mark *to) {
    double seconds = (double)(to->at_ns - from->at_ns) / 1e9;
    printf("{\"seconds\":%.4f,\"sent\":%llu,\"deliveries\":%llu,\"answers\":%llu,\"joined\":%llu,\"refusals\":%llu,"
           "\"out_of_order\":%llu,\"broken\":%llu,\"bytes\":%llu,\"server_cpu_s\":%.3f,\"generator_busy_s\":%.4f,"
           "\"stalled_s\":%.4f,\"timed\":%llu,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"p999_ms\":%.4f,\"each_cpu_s\":[",
           seconds, (unsigned long long)(to->counts.sent - from->counts.sent),
           (unsigned long long)(to->counts.deliveries - from->counts.deliveries),
           (unsigned long long)(to->counts.answers - from->counts.answers),
           (unsigned long long)(to->counts.joined - from->counts.joined), (unsigned long long)to->counts.refusals,
           (unsigned long long)to->counts.out_of_order, (unsigned long long)to->counts.broken,
           (unsigned long long)(to->counts.bytes - from->counts.bytes), to->server_s - from->server_s,
           seconds - (double)(to->counts.idle_ns - from->counts.idle_ns) / 1e9, (double)(to->counts.stalled_ns - from->counts.stalled_ns) / 1e9,
           (unsigned long long)latencies.total, histogram_ms(&latencies, 0.5), histogram_ms(&latencies, 0.99),
           histogram_ms(&latencies, 0.999));
    for (int index = 0; index < options.server_pid_count; index++)
        printf("%s%.3f", index ? "," : "", to->each_s[index] - from->each_s[index]);
    printf("]}\n");
    fflush(stdout);
    return 0;
}

/* Opens all connections, at most JOINING_MAX at a time, and waits until each has joined. */
int join_all(int count, enum role role, int first) {
    uint64_t began = now_ns(), wanted = counts.joined + (uint64_t)count, before = counts.joined;
    int opened = 0;
    while (counts.joined < wanted) {
        while (opened < count && (uint64_t)opened < counts.joined - before + JOINING_MAX) {
            open_connection(&connections[first + opened], role, (uint32_t)(opened % options.projects));
            opened++;
        }
        run_once(50000000);
        if (counts.broken || seconds_since(began) > JOIN_TIMEOUT_S) {
            fprintf(stderr, "%llu of %d connections joined, %llu broken\n", (unsigned long long)(counts.joined - before),
                    count, (unsigned long long)counts.broken);
            return 0;
        }
    }
    return 1;
}

/* Until the server has done what joining left to it. With many connections it has to be quiet for longer than a
 * second: the gateway records its connections once a second. */
void wait_until_quiet(void) {
    uint64_t began = now_ns();
    double each[SERVERS_MAX], before = server_cpu_s(each);
    int windows = 0, wanted = options.connections + options.callers >= 2000 ? 4 : 1;
    while (seconds_since(began) < options.quiet_s) {
        uint64_t look = now_ns();
        while (seconds_since(look) < 0.4) run_once(50000000);
        double after = server_cpu_s(each);
        windows = after - before < 0.015 ? windows + 1 : 0;
        if (windows == wanted) return;
        before = after;
    }
}

/* Fan-out: W messages that not everyone has, or a fixed rate. */

static void count_delivery(struct connection *connection, const char *data, size_t length) {
    uint64_t message = connection->project + connection->received * (uint64_t)options.projects;
    uint64_t sent_at = 0, sequence = 0;
    connection->received++;
    counts.deliveries++;
    if (!is_paced) missing[message % RING]--;
    if (!is_paced && connection->index % 16) return; /* looking inside costs the generator more than counting */
    if (!payload_at(data, length, &sent_at, &sequence) || sequence != message) counts.out_of_order++;
    if (is_paced && is_measuring) histogram_add(&latencies, now_ns() - sent_at);
}

static void fan_out_meaning(struct connection *connection, enum meaning meaning, const char *data, size_t length) {
    if (meaning == DELIVERY && connection->role == SUBSCRIBER) count_delivery(connection, data, length);
    if (meaning == REFUSAL && !counts.refusals++) fprintf(stderr, "refused: %.*s\n", (int)length, data);
}

static size_t next_message(char *out) {
    char payload[PAYLOAD_MAX];
    uint64_t number = counts.sent++;
    size_t length = make_payload(payload, (size_t)options.payload_bytes, number);
    missing[number % RING] = (uint32_t)(options.connections / options.projects);
    return options.protocol->publish(out, (uint32_t)(number % (uint64_t)options.projects), payload, length);
}

static int publish_all(struct connection *publisher, uint64_t until) {
    static char batch[256 * FRAME_MAX];
    size_t size = 0;
    while (counts.sent < until && size < sizeof batch - FRAME_MAX) size += next_message(batch + size);
    return write_all(publisher, batch, size);
}

/* Keeps the load up for some seconds. 0 when the server failed. */
static int pump(struct connection *publisher, double seconds) {
    uint64_t began = now_ns(), base = counts.sent;
    while (seconds_since(began) < seconds) {
        int64_t timeout_ns = 100000000;
        uint64_t until;
        if (is_paced) {
            until = base + (uint64_t)(seconds_since(began) * options.per_second);
            timeout_ns = (int64_t)((double)(counts.sent - base + 1) / options.per_second * 1e9) - (int64_t)(now_ns() - began);
            if (timeout_ns < 0) timeout_ns = 0;
        } else {
            while (oldest < counts.sent && !missing[oldest % RING]) oldest++;
            until = oldest + (uint64_t)options.in_flight;
        }
        if (until > counts.sent && !publish_all(publisher, until)) return 0;
        run_once(timeout_ns);
        if (counts.broken || counts.refusals > 1000) return 0;
    }
    return 1;
}

static int fan_out(void) {
    struct connection *publisher = &connections[options.connections];
    on_meaning = fan_out_meaning;
    is_paced = options.per_second > 0;
    if (!join_all(options.connections, SUBSCRIBER, 0) || !join_all(1, PUBLISHER, options.connections)) return 1;
    wait_until_quiet();
    is_polling = 1;
    if (!pump(publisher, options.warm_up_s)) return 1;
    is_measuring = 1;
    struct mark from = mark();
    if (!pump(publisher, options.seconds)) return 1;
    struct mark to = mark();
    return report(&from, &to);
}

/* Commands that are answered: pings with one in flight, forwards with several or at a rate. */

static int is_forwarding;

static void ask(struct connection *connection) {
    char frame[FRAME_MAX], payload[PAYLOAD_MAX], message_id[64];
    size_t size;
    if (is_forwarding) {
        size_t length = make_payload(payload, (size_t)options.payload_bytes, tags);
        snprintf(message_id, sizeof message_id, "t%016llx-%llx", (unsigned long long)now_ns(), (unsigned long long)tags++);
        size = options.protocol->forward(frame, message_id, payload, length);
    } else {
        connection->asked_at_ns = now_ns();
        size = options.protocol->ping(frame);
    }
    connection->in_flight++;
    counts.sent++;
    if (!write_all(connection, frame, size)) counts.broken++;
}

static uint64_t asked_at(const struct connection *connection, const char *data, size_t length) {
    unsigned long long at = 0;
    const char *tag = is_forwarding ? memmem(data, length, "\"message_id\":\"t", 15) : NULL;
    if (tag) sscanf(tag + 15, "%16llx", &at);
    return tag ? (uint64_t)at : connection->asked_at_ns;
}

static void answer_meaning(struct connection *connection, enum meaning meaning, const char *data, size_t length) {
    if (meaning != ANSWER && meaning != REFUSAL) return;
    connection->in_flight--;
    if (meaning == REFUSAL) {
        if (!counts.refusals++) fprintf(stderr, "refused: %.*s\n", (int)length, data);
        return;
    }
    counts.answers++;
    if (is_measuring) histogram_add(&latencies, now_ns() - asked_at(connection, data, length));
    if (!is_paced) ask(connection);
}

static int keep_asking(double seconds) {
    uint64_t began = now_ns(), base = counts.sent;
    while (seconds_since(began) < seconds) {
        int64_t timeout_ns = 100000000;
        if (is_paced) {
            uint64_t until = base + (uint64_t)(seconds_since(began) * options.per_second);
            while (counts.sent < until) ask(&connections[counts.sent % (uint64_t)options.callers]);
            timeout_ns = (int64_t)((double)(counts.sent - base + 1) / options.per_second * 1e9) - (int64_t)(now_ns() - began);
            if (timeout_ns < 0) timeout_ns = 0;
        }
        run_once(timeout_ns);
        if (counts.broken || counts.refusals > 100000) return 0;
    }
    return 1;
}

static int commands(int forwarding) {
    is_forwarding = forwarding;
    is_paced = options.per_second > 0;
    on_meaning = answer_meaning;
    if (!join_all(options.callers, CALLER, 0)) return 1;
    if (options.connections && !join_all(options.connections, SUBSCRIBER, options.callers)) return 1;
    wait_until_quiet();
    is_polling = 1;
    for (int caller = 0; !is_paced && caller < options.callers; caller++)
        for (int copy = 0; copy < (forwarding ? options.in_flight : 1); copy++) ask(&connections[caller]);
    if (!keep_asking(options.warm_up_s)) return 1;
    is_measuring = 1;
    struct mark from = mark();
    if (!keep_asking(options.seconds)) return 1;
    struct mark to = mark();
    return report(&from, &to);
}

/* Handshakes: connect, join, be dropped, again. */

static int done_slots[4096], done_count;

static void handshake_meaning(struct connection *connection, enum meaning meaning, const char *data, size_t length) {
    (void)data, (void)length;
    if (meaning == JOINED) done_slots[done_count++] = (int)connection->index;
}

static int handshake_for(double seconds) {
    uint64_t began = now_ns();
    while (seconds_since(began) < seconds) {
        run_once(100000000);
        while (done_count) {
            struct connection *connection = &connections[done_slots[--done_count]];
            drop_connection(connection);
            open_connection(connection, SUBSCRIBER, 0);
        }
        if (counts.broken) return 0;
    }
    return 1;
}

static int handshakes(void) {
    on_meaning = handshake_meaning;
    is_polling = 1;
    for (int index = 0; index < options.connections && index < 4096; index++) open_connection(&connections[index], SUBSCRIBER, 0);
    if (!handshake_for(options.warm_up_s)) return 1;
    struct mark from = mark();
    if (!handshake_for(options.seconds)) return 1;
    struct mark to = mark();
    return report(&from, &to);
}

/* Idle: hold the connections until standard input ends, or the time is over. */
static int idle(void) {
    char byte;
    on_meaning = fan_out_meaning;
    if (!join_all(options.connections, SUBSCRIBER, 0)) return 1;
    wait_until_quiet();
    struct mark here = mark();
    report(&here, &here);
    fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
    for (uint64_t began = now_ns(); seconds_since(began) < options.seconds && read(0, &byte, 1) != 0;) run_once(50000000);
    return counts.broken != 0;
}

int scenario(void) {
    for (int project = 0; project < options.projects; project++)
        snprintf(project_names[project], PROJECT_LENGTH_MAX, "bench-%05d", project);
    if (strcmp(options.mode, "fan-out") == 0) return fan_out();
    if (strcmp(options.mode, "publish") == 0) return publishing();
    if (strcmp(options.mode, "ping") == 0) return commands(0);
    if (strcmp(options.mode, "forward") == 0) return commands(1);
    if (strcmp(options.mode, "handshake") == 0) return handshakes();
    if (strcmp(options.mode, "idle") == 0) return idle();
    fprintf(stderr, "unknown mode %s\n", options.mode);
    return 2;
}
