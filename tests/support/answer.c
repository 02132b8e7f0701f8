// SPDX-License-Identifier: Apache-2.0
//
// A server for tests and benchmarks of networks, to be put into images: tells each client who answers and
// whom it sees.
//
//   answer tcp:80 udp:53 …
//
// TCP: HTTP/1.1, kept alive unless the client says otherwise; UDP: one datagram back for each. The body is
// "<host name> <client's address>\n". One thread; ends at SIGTERM between two requests. Prints "ready" when
// all ports are there.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE  // strcasestr
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { kRequest = 4096, kPlaces = 65536 };
enum kind { listener, datagrams, client };

struct place {
    enum kind kind;
    int fd;
    size_t used;
    char request[];
};

static char host[256];
static int loop;

static void fail(const char* what) {
    perror(what);
    exit(1);
}

static void end(int signal) {
    (void)signal;
    _exit(0);
}

static void watch(int fd, enum kind kind) {
    struct place* place = malloc(sizeof *place + (kind == client ? kRequest : 0));
    if (place == NULL) fail("malloc");
    place->kind = kind;
    place->fd = fd;
    place->used = 0;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = place};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

static void forget(struct place* place) {
    close(place->fd);
    free(place);
}

static int body(char* to, size_t size, const struct sockaddr_in6* peer) {
    char address[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, &peer->sin6_addr, address, sizeof address);
    const char* plain = strncmp(address, "::ffff:", 7) == 0 ? address + 7 : address;
    return snprintf(to, size, "%s %s\n", host, plain);
}

static void open_port(const char* what) {
    int is_udp = strncmp(what, "udp:", 4) == 0;
    if (!is_udp && strncmp(what, "tcp:", 4) != 0) {
        fprintf(stderr, "answer: %s is neither tcp:PORT nor udp:PORT\n", what);
        exit(2);
    }
    int fd = socket(AF_INET6, (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(what + 4))};
    if (bind(fd, (struct sockaddr*)&address, sizeof address)) fail("bind");
    if (!is_udp && listen(fd, 4096)) fail("listen");
    watch(fd, is_udp ? datagrams : listener);
}

static void take_connections(struct place* place) {
    int fd;
    while ((fd = accept4(place->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(fd, client);
    }
}

static void answer_datagrams(struct place* place) {
    char buffer[kRequest], text[512];
    struct sockaddr_in6 peer;
    socklen_t size = sizeof peer;
    while (recvfrom(place->fd, buffer, sizeof buffer, 0, (struct sockaddr*)&peer, &size) >= 0) {
        int length = body(text, sizeof text, &peer);
        sendto(place->fd, text, (size_t)length, 0, (struct sockaddr*)&peer, size);
        size = sizeof peer;
    }
}

static void answer_request(struct place* place) {
    ssize_t got = read(place->fd, place->request + place->used, kRequest - 1 - place->used);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        forget(place);
        return;
    }
    place->used += (size_t)got;
    place->request[place->used] = 0;
    if (strstr(place->request, "\r\n\r\n") == NULL) {
        if (place->used == kRequest - 1) forget(place);
        return;
    }
    struct sockaddr_in6 peer;
    socklen_t size = sizeof peer;
    getpeername(place->fd, (struct sockaddr*)&peer, &size);
    int closes = strcasestr(place->request, "connection: close") != NULL;
    char text[512], answer[1024];
    int length = body(text, sizeof text, &peer);
    int total = snprintf(answer, sizeof answer,
                         "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n%s\r\n%s",
                         length, closes ? "Connection: close\r\n" : "", text);
    place->used = 0;
    if (write(place->fd, answer, (size_t)total) != total || closes) forget(place);
}

int main(int count, char** words) {
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    gethostname(host, sizeof host - 1);
    loop = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 1; i < count; ++i) open_port(words[i]);
    puts("ready");
    fflush(stdout);
    // Requests are answered with signals held back: each is answered whole.
    sigset_t ends, none;
    sigemptyset(&none);
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    struct epoll_event events[256];
    for (;;) {
        int ready = epoll_pwait(loop, events, 256, -1, &none);
        for (int i = 0; i < ready; ++i) {
            struct place* place = events[i].data.ptr;
            switch (place->kind) {
                case listener: take_connections(place); break;
                case datagrams: answer_datagrams(place); break;
                case client: answer_request(place); break;
            }
        }
    }
}
