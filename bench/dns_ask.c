// SPDX-License-Identifier: Apache-2.0
//
// Asks a DNS server as fast as it answers: dns_ask SERVER SECONDS NAME…
//
// 64 A queries are under way at any time, from one socket, each for the next of the names. Prints the number
// of good answers (no error, at least one record) a second, then how many were bad and how many were lost.
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kUnderWay = 64, kLostAfterMs = 1000 };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static size_t make_query(unsigned char* to, uint16_t id, const char* name) {
    static const unsigned char kHead[] = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    memcpy(to, kHead, sizeof kHead);
    to[0] = (unsigned char)(id >> 8);
    to[1] = (unsigned char)id;
    size_t at = sizeof kHead;
    while (*name) {
        size_t length = strcspn(name, ".");
        to[at++] = (unsigned char)length;
        memcpy(to + at, name, length);
        at += length;
        name += length + (name[length] == '.');
    }
    static const unsigned char kTail[] = {0, 0, 1, 0, 1};
    memcpy(to + at, kTail, sizeof kTail);
    return at + sizeof kTail;
}

int main(int count, char** words) {
    if (count < 4) return 2;
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(53)};
    inet_pton(AF_INET, words[1], &server.sin_addr);
    if (connect(sock, (struct sockaddr*)&server, sizeof server)) {
        perror("connect");
        return 1;
    }
    double begin = now(), end = begin + atof(words[2]);
    uint64_t good = 0, bad = 0, lost = 0, next = 0;
    unsigned under_way = 0;
    // Several messages in one system call: the client shall cost less than the server.
    static unsigned char queries[kUnderWay][512], answers[kUnderWay][1500];
    struct iovec out[kUnderWay], in[kUnderWay];
    struct mmsghdr sent[kUnderWay], taken[kUnderWay];
    memset(sent, 0, sizeof sent);
    memset(taken, 0, sizeof taken);
    for (int i = 0; i < kUnderWay; ++i) {
        out[i].iov_base = queries[i];
        in[i] = (struct iovec){answers[i], sizeof answers[i]};
        sent[i].msg_hdr.msg_iov = &out[i];
        taken[i].msg_hdr.msg_iov = &in[i];
        sent[i].msg_hdr.msg_iovlen = taken[i].msg_hdr.msg_iovlen = 1;
    }
    while (now() < end) {
        unsigned more = kUnderWay - under_way;
        for (unsigned i = 0; i < more; ++i, ++next)
            out[i].iov_len = make_query(queries[i], (uint16_t)next, words[3 + next % (uint64_t)(count - 3)]);
        for (unsigned done = 0; done < more;) {
            int got = sendmmsg(sock, sent + done, more - done, 0);
            if (got < 0) {
                perror("sendmmsg");
                return 1;
            }
            done += (unsigned)got;
        }
        under_way = kUnderWay;
        struct pollfd ready = {.fd = sock, .events = POLLIN};
        if (poll(&ready, 1, kLostAfterMs) == 0) {
            lost += under_way;
            under_way = 0;
            continue;
        }
        int got = recvmmsg(sock, taken, kUnderWay, MSG_DONTWAIT, NULL);
        for (int i = 0; i < got; ++i) {
            const unsigned char* answer = answers[i];
            if (under_way > 0) --under_way;
            int is_good = taken[i].msg_len > 12 && (answer[3] & 15) == 0 && (answer[6] || answer[7]);
            *(is_good ? &good : &bad) += 1;
        }
    }
    printf("%.0f %llu %llu\n", (double)good / (now() - begin), (unsigned long long)bad,
           (unsigned long long)lost);
    return 0;
}
