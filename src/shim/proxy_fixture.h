// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "shim/proxy.h"
#include "sys/file.h"

/// What the tests of the proxy share: sockets of this machine, and the proxy in a child process.
namespace berth::shim {

inline sockaddr_in address_of(uint16_t port, const char* host = "127.0.0.1") {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    ::inet_pton(AF_INET, host, &address.sin_addr);
    return address;
}

/// A socket at any port of `host`; TCP ones listen.
inline UniqueFd make_server(int type, const char* host = "127.0.0.1") {
    UniqueFd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    sockaddr_in address = address_of(0, host);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    if (type == SOCK_STREAM) EXPECT_EQ(::listen(fd.get(), 4096), 0);
    return fd;
}

inline uint16_t port_of(const UniqueFd& fd) {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
    return ntohs(address.sin_port);
}

inline UniqueFd connect_to(uint16_t port, int type = SOCK_STREAM, const char* host = "127.0.0.1") {
    UniqueFd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    sockaddr_in address = address_of(port, host);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) fd.reset();
    return fd;
}

inline UniqueFd accept_from(const UniqueFd& listener) {
    return UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

inline void send_text(const UniqueFd& fd, std::string_view text) {
    sys::write_all(fd.get(), text, "socket");
}

inline std::string receive(const UniqueFd& fd, size_t size) {
    std::string text(size, '\0');
    ssize_t got = ::recv(fd.get(), text.data(), size, MSG_WAITALL);
    text.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return text;
}

/// What recv says at last: 0 for EOF, else the errno.
inline int end_of(const UniqueFd& fd) {
    char block[4096];
    while (true) {
        ssize_t got = ::recv(fd.get(), block, sizeof block, 0);
        if (got <= 0) return got == 0 ? 0 : errno;
    }
}

inline void reset_socket(UniqueFd& fd) {
    linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fd.reset();
}

inline std::string pattern(size_t size) {
    std::string text(size, '\0');
    for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i * 2654435761U) >> 13);
    return text;
}

/// proxy_main in a forked child. The sockets become its descriptors from 3 on.
class Proxy {
  public:
    Proxy(std::vector<std::pair<int, std::string>> pairs, std::vector<std::string> more = {},
          rlim_t descriptors = 0) {
        pid_ = ::fork();
        if (pid_ != 0) return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        std::vector<std::string> words{"proxy"};
        int next = 100;
        for (auto& [fd, target] : pairs) ::dup2(fd, next++);
        int end = 3;
        for (int fd = 100; fd < next; ++fd, ++end) {
            ::dup2(fd, end);
            words.insert(words.end(), {"--listen-fd", std::to_string(end), "--to",
                                       pairs[static_cast<size_t>(fd) - 100].second});
        }
        ::close_range(static_cast<unsigned>(end), ~0U, 0);
        if (descriptors != 0) {
            rlimit limit{descriptors, descriptors};
            ::setrlimit(RLIMIT_NOFILE, &limit);
        }
        words.insert(words.end(), more.begin(), more.end());
        std::vector<char*> argv;
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        ::_exit(proxy_main(static_cast<int>(words.size()), argv.data()));
    }
    ~Proxy() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }

    pid_t pid() const { return pid_; }
    void signal(int number) const { ::kill(pid_, number); }
    int wait() {
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    size_t descriptors() const {
        return sys::list_dir(sys::open_file(fmt::format("/proc/{}/fd", pid_), O_RDONLY | O_DIRECTORY).get())
            .size();
    }
    char state() const {
        std::string stat = sys::read_file(fmt::format("/proc/{}/stat", pid_));
        return stat[stat.rfind(')') + 2];
    }
    /// Polls: what happens in another process has no event here.
    template <typename Condition>
    static bool eventually(Condition&& condition) {
        for (int i = 0; i < 2000; ++i) {
            if (condition()) return true;
            ::usleep(5000);
        }
        return false;
    }

  private:
    pid_t pid_ = -1;
};

/// UBSan's check of virtual calls opens a pipe to look at memory: it reports what is fine where there is no
/// descriptor.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NEEDS_NO_SANITIZER() GTEST_SKIP() << "the sanitizer needs descriptors itself"
#endif
#endif
#ifndef NEEDS_NO_SANITIZER
#define NEEDS_NO_SANITIZER() (void)0
#endif

/// Raises this process's limit for a while.
class ManyDescriptors {
  public:
    explicit ManyDescriptors(rlim_t wanted) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit high{std::max(before_.rlim_cur, std::min(wanted, before_.rlim_max)), before_.rlim_max};
        enough_ = high.rlim_cur >= wanted && ::setrlimit(RLIMIT_NOFILE, &high) == 0;
    }
    ~ManyDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    bool enough() const { return enough_; }

  private:
    rlimit before_{};
    bool enough_ = false;
};

inline std::string tcp_to(const UniqueFd& server) {
    return fmt::format("tcp:127.0.0.1:{}", port_of(server));
}
inline std::string udp_to(const UniqueFd& server) {
    return fmt::format("udp:127.0.0.1:{}", port_of(server));
}

}  // namespace berth::shim
