// SPDX-License-Identifier: Apache-2.0
#include "shim/proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "shim/proxy_loop.h"
#include "shim/proxy_tcp.h"
#include "shim/proxy_udp.h"
#include "sys/file.h"

namespace berth::shim {

ProxyLoop::ProxyLoop() : epoll_(sys::check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
    read_clock();
}

void ProxyLoop::read_clock() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    now_ms_ = int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

bool ProxyLoop::watch(int fd, uint32_t events, Watcher& watcher) noexcept {
    epoll_event event{.events = events, .data = {.ptr = &watcher}};
    return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void ProxyLoop::change(int fd, uint32_t events, Watcher& watcher) noexcept {
    epoll_event event{.events = events, .data = {.ptr = &watcher}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void ProxyLoop::forget(int fd) noexcept {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

char* ProxyLoop::buffer() {
    if (!buffer_) buffer_ = std::make_unique_for_overwrite<char[]>(kBufferSize);
    return buffer_.get();
}

void ProxyLoop::round(int64_t deadline_ms) {
    read_clock();
    touched_.clear();
    int timeout =
        deadline_ms < 0 ? -1 : static_cast<int>(std::clamp<int64_t>(deadline_ms - now_ms_, 0, 3'600'000));
    epoll_event events[64];
    int count = ::epoll_wait(epoll_.get(), events, 64, timeout);
    read_clock();
    for (int i = 0; i < count; ++i) static_cast<Watcher*>(events[i].data.ptr)->ready(events[i].events);
}

namespace {

constexpr int64_t kDefaultIdleTimeoutS = 90;

struct Pair {
    int fd = -1;
    bool udp = false;
    SocketAddress target;
};

struct ProxyOptions {
    std::vector<Pair> pairs;
    int64_t idle_timeout_s = kDefaultIdleTimeoutS;
};

[[noreturn]] void fail_usage(std::string_view problem) {
    throw make_error(ErrorKind::invalid_argument,
                     "{}\nusage: berth-shim proxy (--listen-fd N --to tcp:ADDR:PORT|udp:ADDR:PORT)... "
                     "[--idle-timeout S]",
                     problem);
}

/// "1.2.3.4:80" or "[2001:db8::1]:80".
SocketAddress parse_address(std::string_view text) {
    size_t colon = text.rfind(':');
    std::optional<uint16_t> port;
    if (colon != std::string_view::npos) port = parse_number<uint16_t>(text.substr(colon + 1));
    if (!port || *port == 0) fail_usage(fmt::format("--to: no port in \"{}\"", text));
    std::string host(text.substr(0, colon));
    SocketAddress result;
    if (host.starts_with('[') && host.ends_with(']')) {
        auto* address = reinterpret_cast<sockaddr_in6*>(&result.storage);
        address->sin6_family = AF_INET6;
        address->sin6_port = htons(*port);
        result.length = sizeof *address;
        if (::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address->sin6_addr) == 1)
            return result;
    } else {
        auto* address = reinterpret_cast<sockaddr_in*>(&result.storage);
        address->sin_family = AF_INET;
        address->sin_port = htons(*port);
        result.length = sizeof *address;
        if (::inet_pton(AF_INET, host.c_str(), &address->sin_addr) == 1) return result;
    }
    fail_usage(fmt::format("--to: no numeric address in \"{}\"", text));
}

void parse_target(Pair& pair, std::string_view text) {
    pair.udp = text.starts_with("udp:");
    if (!pair.udp && !text.starts_with("tcp:"))
        fail_usage(fmt::format("--to: neither tcp: nor udp: in \"{}\"", text));
    pair.target = parse_address(text.substr(4));
}

ProxyOptions parse(int argc, char** argv) {
    ProxyOptions options;
    bool open = false;  // a --listen-fd waits for its --to
    for (int i = 1; i < argc; ++i) {
        std::string_view name = argv[i];
        std::string_view value;
        if (size_t equals = name.find('='); equals != std::string_view::npos) {
            value = name.substr(equals + 1);
            name = name.substr(0, equals);
        } else if (i + 1 < argc) {
            value = argv[++i];
        } else {
            fail_usage(fmt::format("{} needs a value", name));
        }
        if (name == "--listen-fd" && !open) {
            std::optional<int> fd = parse_number<int>(value);
            if (!fd || *fd < 0) fail_usage(fmt::format("--listen-fd: not a descriptor: \"{}\"", value));
            options.pairs.push_back({.fd = *fd});
            open = true;
        } else if (name == "--to" && open) {
            parse_target(options.pairs.back(), value);
            open = false;
        } else if (name == "--idle-timeout") {
            std::optional<int64_t> seconds = parse_number<int64_t>(value);
            if (!seconds || *seconds <= 0 || *seconds > 1'000'000)
                fail_usage("--idle-timeout: not a number of seconds");
            options.idle_timeout_s = *seconds;
        } else {
            fail_usage(fmt::format("unexpected {}", name));
        }
    }
    if (open || options.pairs.empty()) fail_usage("--listen-fd and --to come in pairs");
    return options;
}

int socket_option(int fd, int option) {
    int value = 0;
    socklen_t length = sizeof value;
    sys::check(::getsockopt(fd, SOL_SOCKET, option, &value, &length),
               [&] { return fmt::format("descriptor {}", fd); });
    return value;
}

UniqueFd adopt_socket(const Pair& pair) {
    bool fits = pair.udp ? socket_option(pair.fd, SO_TYPE) == SOCK_DGRAM
                         : socket_option(pair.fd, SO_TYPE) == SOCK_STREAM &&
                               socket_option(pair.fd, SO_ACCEPTCONN) == 1;
    if (!fits)
        throw make_error(ErrorKind::invalid_argument, "descriptor {} is not a {} socket", pair.fd,
                         pair.udp ? "UDP" : "listening TCP");
    int flags = sys::check(::fcntl(pair.fd, F_GETFL), "fcntl");
    sys::check(::fcntl(pair.fd, F_SETFL, flags | O_NONBLOCK), "fcntl");
    sys::check(::fcntl(pair.fd, F_SETFD, FD_CLOEXEC), "fcntl");
    return UniqueFd(pair.fd);
}

/// The first signal asks for an end after the last connection, the second for one at once.
class StopSignal final : public Watcher {
  public:
    explicit StopSignal(ProxyLoop& loop) {
        ::signal(SIGHUP, SIG_IGN);
        ::signal(SIGPIPE, SIG_IGN);
        sigset_t stopping;
        ::sigemptyset(&stopping);
        ::sigaddset(&stopping, SIGTERM);
        ::sigaddset(&stopping, SIGINT);
        sys::check(::sigprocmask(SIG_BLOCK, &stopping, nullptr), "sigprocmask");
        fd_.reset(sys::check(::signalfd(-1, &stopping, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd"));
        if (!loop.watch(fd_.get(), EPOLLIN, *this)) throw errno_error(errno, "epoll_ctl");
    }

    void ready(uint32_t) override {
        signalfd_siginfo info;
        while (::read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) ++count_;
    }
    int count() const { return count_; }

  private:
    UniqueFd fd_;
    int count_ = 0;
};

void detach_process() {
    // Refused to a group's leader, which whoever started it made on purpose.
    (void)::setsid();
    (void)::chdir("/");
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void serve(const ProxyOptions& options) {
    ProxyLoop loop;
    StopSignal stop(loop);
    std::vector<std::unique_ptr<Forwarder>> forwarders;
    for (const Pair& pair : options.pairs) {
        UniqueFd socket = adopt_socket(pair);
        if (pair.udp)
            forwarders.push_back(std::make_unique<UdpForwarder>(loop, std::move(socket), pair.target,
                                                                options.idle_timeout_s * 1000));
        else
            forwarders.push_back(std::make_unique<TcpForwarder>(loop, std::move(socket), pair.target));
    }
    while (stop.count() < 2) {
        int64_t deadline = -1;
        for (const auto& forwarder : forwarders) {
            int64_t next = forwarder->deadline_ms();
            if (next >= 0 && (deadline < 0 || next < deadline)) deadline = next;
        }
        loop.round(deadline);
        bool finished = stop.count() > 0;
        for (const auto& forwarder : forwarders) {
            if (stop.count() > 0) forwarder->stop();
            forwarder->tick();
            forwarder->end_of_round();
            finished = finished && forwarder->finished();
        }
        if (finished) return;
    }
}

}  // namespace

int proxy_main(int argc, char** argv) {
    ProxyOptions options;
    try {
        options = parse(argc, argv);
    } catch (const Error& error) {
        log::error("proxy: {}", error.what());
        return 2;
    }
    try {
        detach_process();
        serve(options);
        return 0;
    } catch (const std::exception& error) {
        log::error("proxy: {}", error.what());
        return 1;
    }
}

}  // namespace berth::shim
