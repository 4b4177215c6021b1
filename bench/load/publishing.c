/* Many projects, few subscribers each: several publishers, each with projects of its own and some publications that
 * are not confirmed yet. It prints one JSON line. Here `answers` are confirmed publications. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t *published; /* by project: how many publications were sent */
static uint64_t *next_turn; /* by publisher: which of its projects is next */
static int publisher_count;
static int is_measuring;

static struct connection *publisher(int number) { return &connections[options.connections + number]; }

static void count_delivery(struct connection *connection, const char *data, size_t length) {
    uint64_t sent_at = 0, sequence = 0;
    counts.deliveries++;
    if (!payload_at(data, length, &sent_at, &sequence) || sequence != connection->received) counts.out_of_order++;
    connection->received++;
    if (is_measuring) histogram_add(&latencies, now_ns() - sent_at);
}

static void on_frame(struct connection *connection, enum meaning meaning, const char *data, size_t length) {
    if (meaning == DELIVERY && connection->role == SUBSCRIBER) count_delivery(connection, data, length);
    if (connection->role != PUBLISHER || (meaning != ANSWER && meaning != REFUSAL)) return;
    connection->in_flight--;
    if (meaning == ANSWER) counts.answers++;
    else if (!counts.refusals++) fprintf(stderr, "refused: %.*s\n", (int)length, data);
}

/* Publishes until as many as allowed are in flight, in one write. The projects of a publisher take turns. */
static int fill(int number) {
    static char batch[256 * FRAME_MAX];
    struct connection *connection = publisher(number);
    uint64_t own = (uint64_t)(options.projects - number + publisher_count - 1) / (uint64_t)publisher_count;
    size_t size = 0;
    while (connection->in_flight < (uint32_t)options.in_flight && size < sizeof batch - FRAME_MAX) {
        char payload[PAYLOAD_MAX];
        uint64_t project = (uint64_t)number + (uint64_t)publisher_count * (next_turn[number]++ % own);
        size_t length = make_payload(payload, (size_t)options.payload_bytes, published[project]++);
        size += options.protocol->publish(batch + size, (uint32_t)project, payload, length);
        connection->in_flight++;
        counts.sent++;
    }
    return !size || write_all(connection, batch, size);
}

static int keep_publishing(double seconds) {
    for (uint64_t began = now_ns(); seconds_since(began) < seconds;) {
        for (int number = 0; number < publisher_count; number++)
            if (!fill(number)) return 0;
        run_once(100000000);
        if (counts.broken || counts.refusals) return 0;
    }
    return 1;
}

/* Waits for what is still under way. 0 if a confirmation or a delivery never comes. */
static int has_everything(void) {
    uint64_t expected = 0;
    for (int index = 0; index < options.connections; index++) expected += published[connections[index].project];
    for (uint64_t began = now_ns(); counts.answers < counts.sent || counts.deliveries < expected; run_once(100000000)) {
        if (counts.broken || seconds_since(began) > 30) {
            fprintf(stderr, "%llu of %llu publications were confirmed, %llu of %llu deliveries came\n",
                    (unsigned long long)counts.answers, (unsigned long long)counts.sent,
                    (unsigned long long)counts.deliveries, (unsigned long long)expected);
            return 0;
        }
    }
    return 1;
}

int publishing(void) {
    publisher_count = options.callers < options.projects ? options.callers : options.projects;
    published = calloc((size_t)options.projects, sizeof *published);
    next_turn = calloc((size_t)publisher_count, sizeof *next_turn);
    on_meaning = on_frame;
    if (!published || !next_turn) return 1;
    if (!join_all(options.connections, SUBSCRIBER, 0) || !join_all(publisher_count, PUBLISHER, options.connections))
        return 1;
    wait_until_quiet();
    is_polling = 1;
    if (!keep_publishing(options.warm_up_s)) return 1;
    is_measuring = 1;
    struct mark from = mark();
    if (!keep_publishing(options.seconds)) return 1;
    struct mark to = mark();
    is_measuring = 0;
    return has_everything() ? report(&from, &to) : 1;
}
