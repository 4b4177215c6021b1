/* bench-load: one client machine in one thread. It prints one JSON line with what it counted, how busy it was
 * itself, and how much CPU the server's processes took in the same window. */
#define _GNU_SOURCE
#include "load.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct options options = {.mode = "fan-out", .connections = 0, .callers = 0, .projects = 1, .in_flight = 1,
                          .payload_bytes = 128, .seconds = 2, .warm_up_s = 0.3, .quiet_s = 5};
struct counts counts;
struct histogram latencies;

static int read_numbers(char *list, int *numbers) {
    int count = 0;
    for (char *number = strtok(list, ","); number && count < SERVERS_MAX; number = strtok(NULL, ","))
        numbers[count++] = atoi(number);
    return count;
}

int main(int argc, char **argv) {
    static const struct option names[] = {
        {"protocol", 1, 0, 'p'}, {"mode", 1, 0, 'm'},      {"port", 1, 0, 'P'},      {"connections", 1, 0, 'n'},
        {"callers", 1, 0, 'c'},  {"projects", 1, 0, 'j'},  {"in-flight", 1, 0, 'w'}, {"payload-bytes", 1, 0, 'b'},
        {"rate", 1, 0, 'r'},     {"seconds", 1, 0, 's'},   {"warm-up", 1, 0, 'u'},   {"quiet", 1, 0, 'q'},
        {"server-pids", 1, 0, 'i'}, {"publisher-ports", 1, 0, 'o'}, {0, 0, 0, 0}};
    int name;
    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (name) {
        case 'p': options.protocol = protocol_named(optarg); break;
        case 'm': options.mode = optarg; break;
        case 'P': options.port_count = read_numbers(optarg, options.ports); break;
        case 'o': options.publisher_port_count = read_numbers(optarg, options.publisher_ports); break;
        case 'n': options.connections = atoi(optarg); break;
        case 'c': options.callers = atoi(optarg); break;
        case 'j': options.projects = atoi(optarg); break;
        case 'w': options.in_flight = atoi(optarg); break;
        case 'b': options.payload_bytes = atoi(optarg); break;
        case 'r': options.per_second = atof(optarg); break;
        case 's': options.seconds = atof(optarg); break;
        case 'u': options.warm_up_s = atof(optarg); break;
        case 'q': options.quiet_s = atof(optarg); break;
        case 'i': options.server_pid_count = read_numbers(optarg, options.server_pids); break;
        default: return 2;
        }
    }
    options.port = options.ports[0];
    if (!options.publisher_port_count) {
        memcpy(options.publisher_ports, options.ports, sizeof options.ports);
        options.publisher_port_count = options.port_count;
    }
    if (!options.protocol || !options.port || options.projects < 1 || options.projects > 10000 ||
        options.in_flight > 2048 || options.payload_bytes < 80 || options.payload_bytes > PAYLOAD_MAX - 8) {
        fprintf(stderr, "protocol and port are needed; see bench/scenarios.py for the rest\n");
        return 2;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    if (!connections_start(options.connections + options.callers + 1)) return 1;
    return scenario();
}
