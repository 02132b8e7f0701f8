// SPDX-License-Identifier: Apache-2.0
// With the real process (berth-shim of the same build), in a network namespace of the test's own.
#include "net/port_holder.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "base/error.h"
#include "base/json.h"
#include "net/port_process.h"
#include "sys/file.h"
#include "sys/process.h"

namespace berth::net {
namespace {

using namespace std::chrono_literals;

HeldPort port(std::string_view address, uint16_t number, Protocol protocol = Protocol::tcp) {
    return {protocol, *IpAddress::parse(address), number, std::nullopt};
}

HeldPort port_to(std::string_view address, uint16_t number, uint16_t target,
                 Protocol protocol = Protocol::tcp) {
    return {protocol, *IpAddress::parse(address), number, std::pair{IpAddress::loopback(Family::v4), target}};
}

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;
    SocketAddress(std::string_view text, uint16_t number) {
        IpAddress address = *IpAddress::parse(text);
        if (address.is_v4()) {
            auto* four = reinterpret_cast<sockaddr_in*>(&storage);
            four->sin_family = AF_INET;
            four->sin_port = htons(number);
            std::memcpy(&four->sin_addr, address.bytes.data(), 4);
            length = sizeof *four;
        } else {
            auto* six = reinterpret_cast<sockaddr_in6*>(&storage);
            six->sin6_family = AF_INET6;
            six->sin6_port = htons(number);
            std::memcpy(&six->sin6_addr, address.bytes.data(), 16);
            length = sizeof *six;
        }
    }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

/// Bound, and listening where it is TCP. Empty where somebody has the port.
UniqueFd program(std::string_view address, uint16_t number, int type = SOCK_STREAM) {
    SocketAddress at(address, number);
    UniqueFd fd(::socket(at.storage.ss_family, type | SOCK_CLOEXEC, 0));
    int on = 1;
    if (type == SOCK_STREAM) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(fd.get(), at.get(), at.length) < 0 || (type == SOCK_STREAM && ::listen(fd.get(), 100) < 0))
        fd.reset();
    return fd;
}

UniqueFd connect_to(std::string_view address, uint16_t number, int type = SOCK_STREAM) {
    SocketAddress to(address, number);
    UniqueFd fd(::socket(to.storage.ss_family, type | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), to.get(), to.length) < 0) fd.reset();
    return fd;
}

UniqueFd accept_from(const UniqueFd& listener) {
    pollfd waiting{listener.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&waiting, 1, 10'000), 1);
    return UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

std::string receive(const UniqueFd& fd, size_t size) {
    std::string text(size, '\0');
    pollfd waiting{fd.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 10'000) != 1) return "nothing came";
    ssize_t got = ::recv(fd.get(), text.data(), size, 0);
    text.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return text;
}

void send_text(const UniqueFd& fd, std::string_view text) {
    sys::write_all(fd.get(), text, "socket");
}

/// In a namespace of its own, with a folder whose path is longer than a socket's address.
class PortHolderTest : public testing::Test {
  protected:
    void SetUp() override {
        if (::unshare(CLONE_NEWNET) < 0) GTEST_SKIP() << "needs a network namespace: " << errno_text(errno);
        UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ifreq request{};
        std::strcpy(request.ifr_name, "lo");
        request.ifr_flags = IFF_UP;
        ASSERT_EQ(::ioctl(socket.get(), SIOCSIFFLAGS, &request), 0);
        char name[] = "/tmp/berth-ports-XXXXXX";
        root_ = ::mkdtemp(name);
        folder_ = root_ + "/" + std::string(120, 'd');
        ASSERT_EQ(::mkdir(folder_.c_str(), 0700), 0);
    }
    void TearDown() override {
        if (root_.empty()) return;
        // What a failed test left.
        if (pid_t left = find_process(); left > 0) ::kill(left, SIGKILL);
        sys::remove_tree_at(AT_FDCWD, root_);
    }

    std::string socket_path() const { return folder_ + "/ports.sock"; }
    std::unique_ptr<PortHolder> make(std::chrono::milliseconds linger = 10s,
                                     std::chrono::milliseconds answer_limit = 10s) {
        return std::make_unique<PortHolder>(
            context_, PortHolder::Options{socket_path(), BERTH_SHIM_PROGRAM, "test", linger, answer_limit});
    }
    void run(async::Task<void> task) { context_.block_on(std::move(task)); }
    std::string refusal(async::Task<void> task, ErrorKind expected = ErrorKind::conflict) {
        try {
            run(std::move(task));
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), expected);
            return error.what();
        }
        return "";
    }
    /// The pid that the process itself tells; 0: none serves.
    pid_t find_process() const {
        try {
            UniqueFd socket = reach_port_process({socket_path(), "", "", 0ms}, false);
            if (!socket) return 0;
            return static_cast<pid_t>(ask(socket, {{"op", "hello"}}).at("pid").to_number<int64_t>());
        } catch (const Error&) {
            return 0;
        }
    }
    static json::Object ask(const UniqueFd& socket, json::Object request) {
        EXPECT_EQ(send_port_message(socket.get(), json::print(request)), PortSend::sent);
        pollfd waiting{socket.get(), POLLIN, 0};
        EXPECT_EQ(::poll(&waiting, 1, 10'000), 1);
        return json::parse(receive_port_message(socket.get()).value_or("{}")).at("ok").as_object();
    }
    size_t listed() const {
        UniqueFd socket = reach_port_process({socket_path(), "", "", 0ms}, false);
        return socket ? ask(socket, {{"op", "list"}}).at("count").to_number<size_t>() : 0;
    }
    static async::Task<void> until(std::function<bool()> holds) {
        for (int i = 0; i < 5000 && !holds(); ++i) co_await async::sleep_for(2ms);
        EXPECT_TRUE(holds());
    }
    static void await_end(const UniqueFd& pidfd) {
        pollfd waiting{pidfd.get(), POLLIN, 0};
        EXPECT_EQ(::poll(&waiting, 1, 10'000), 1);
    }

    std::string root_, folder_;
    async::Context context_;
};

TEST_F(PortHolderTest, HoldsAndReleases) {
    auto holder = make();
    run(holder->hold({port("0.0.0.0", 8080), port("::", 8080), port("0.0.0.0", 8080, Protocol::udp),
                      port("0.0.0.0", 8080, Protocol::sctp)}));
    EXPECT_FALSE(program("0.0.0.0", 8080));
    EXPECT_FALSE(program("127.0.0.1", 8080));
    EXPECT_FALSE(program("::1", 8080));
    EXPECT_FALSE(program("127.0.0.1", 8080, SOCK_DGRAM));
    EXPECT_FALSE(connect_to("127.0.0.1", 8080)) << "bound only";
    struct stat file{};
    ASSERT_EQ(::stat(socket_path().c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777, 0600U);
    run(holder->release({port("0.0.0.0", 8080)}));
    EXPECT_TRUE(program("0.0.0.0", 8080));
    EXPECT_FALSE(program("::1", 8080));
    EXPECT_FALSE(program("127.0.0.1", 8080, SOCK_DGRAM));
    run(holder->release({port("0.0.0.0", 9999)}));
}

TEST_F(PortHolderTest, TheProcessBelongsToNobody) {
    auto holder = make();
    run(holder->hold({port("0.0.0.0", 8080)}));
    pid_t pid = find_process();
    ASSERT_GT(pid, 0);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "no child is left to wait for";
    std::string command = sys::read_file(fmt::format("/proc/{}/cmdline", pid));
    std::ranges::replace(command, '\0', ' ');
    EXPECT_TRUE(command.starts_with("berth-shim ports --tag test --socket /tmp/")) << command;
    EXPECT_EQ(::getsid(pid), ::getpgid(pid));
    EXPECT_NE(::getsid(pid), ::getsid(0));
    for (int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1}) ::kill(pid, number);
    UniqueFd folder = sys::open_file(fmt::format("/proc/{}/fd", pid), O_RDONLY | O_DIRECTORY);
    // Three streams, the folder, lock, two epolls, the socket and its reserve, two connections, a port; one
    // more while a connection that was asked for the pid ends.
    EXPECT_LE(sys::list_dir(folder.get()).size(), 13U);
    EXPECT_EQ(find_process(), pid);
    EXPECT_FALSE(sys::exists(folder_ + "/no.log"));
}

TEST_F(PortHolderTest, AProgramHasThePort) {
    UniqueFd theirs = program("127.0.0.1", 8081);
    ASSERT_TRUE(theirs);
    auto holder = make();
    EXPECT_EQ(refusal(holder->hold({port("0.0.0.0", 8080), port("0.0.0.0", 8081), port("0.0.0.0", 8082)})),
              "failed to bind host port 0.0.0.0:8081/tcp: address already in use");
    EXPECT_TRUE(program("0.0.0.0", 8080)) << "all or none";
    EXPECT_TRUE(program("0.0.0.0", 8082));
    refusal(holder->hold({port("10.9.8.7", 8080)}), ErrorKind::internal);
    theirs.reset();
    run(holder->hold({port("0.0.0.0", 8081)}));
    EXPECT_FALSE(program("127.0.0.1", 8081));
}

TEST_F(PortHolderTest, ManyPortsOverSeveralMessages) {
    auto holder = make();
    std::vector<HeldPort> ports;
    for (uint16_t number = 20000; number < 21000; ++number) {
        ports.push_back(port("0.0.0.0", number));
        ports.push_back(port_to("::", number, 80));
    }
    UniqueFd theirs = program("127.0.0.1", 20990);
    EXPECT_NE(refusal(holder->hold(ports)), "");
    EXPECT_EQ(listed(), 0U);
    theirs.reset();
    run(holder->hold(ports));
    EXPECT_EQ(listed(), 2000U);
    EXPECT_FALSE(program("0.0.0.0", 20999));
    holder.reset();
    holder = make();
    ports.resize(1000);
    run(holder->restore(ports));
    EXPECT_EQ(listed(), 1000U);
    run(holder->release(ports));
    EXPECT_EQ(listed(), 0U);
}

TEST_F(PortHolderTest, PassesConnectionsOn) {
    UniqueFd server = program("127.0.0.1", 80);
    auto holder = make();
    run(holder->hold({port_to("::1", 8080, 80)}));
    UniqueFd client = connect_to("::1", 8080);
    ASSERT_TRUE(client);
    UniqueFd served = accept_from(server);
    send_text(client, "question");
    EXPECT_EQ(receive(served, 100), "question");
    ::shutdown(client.get(), SHUT_WR);
    EXPECT_EQ(receive(served, 100), "") << "half-closed";
    send_text(served, "answer");
    EXPECT_EQ(receive(client, 100), "answer");
    // It outlives its port, and the process stays for it.
    run(holder->release({port_to("::1", 8080, 80)}));
    EXPECT_FALSE(connect_to("::1", 8080));
    send_text(served, "more");
    EXPECT_EQ(receive(client, 100), "more");
    // And is not in the way of the next one.
    run(holder->hold({port("::1", 8080)}));
    EXPECT_FALSE(connect_to("::1", 8080));
    served.reset();
    EXPECT_EQ(receive(client, 100), "");
}

TEST_F(PortHolderTest, PassesDatagramsOn) {
    UniqueFd server = program("127.0.0.1", 53, SOCK_DGRAM);
    auto holder = make();
    run(holder->hold({port_to("::1", 5353, 53, Protocol::udp)}));
    UniqueFd client = connect_to("::1", 5353, SOCK_DGRAM);
    send_text(client, "question");
    sockaddr_in from{};
    socklen_t length = sizeof from;
    char text[100];
    ASSERT_EQ(::recvfrom(server.get(), text, sizeof text, 0, reinterpret_cast<sockaddr*>(&from), &length), 8);
    ASSERT_EQ(::sendto(server.get(), "answer", 6, 0, reinterpret_cast<sockaddr*>(&from), length), 6);
    EXPECT_EQ(receive(client, 100), "answer");
}

TEST_F(PortHolderTest, SharedPortsGoToWhoeverIsLeft) {
    UniqueFd one = program("127.0.0.1", 81), two = program("127.0.0.1", 82);
    auto holder = make();
    run(holder->hold({port_to("::1", 8080, 81)}));
    run(holder->hold({port_to("::1", 8080, 82)}));
    run(holder->hold({port("::1", 8080)}));
    EXPECT_EQ(listed(), 1U);
    auto reaches = [&](const UniqueFd& server) {
        UniqueFd client = connect_to("::1", 8080);
        UniqueFd served = accept_from(server);
        return client && served;
    };
    EXPECT_TRUE(reaches(two));
    run(holder->release({port_to("::1", 8080, 82)}));
    EXPECT_TRUE(reaches(one));
    run(holder->release({port_to("::1", 8080, 81)}));
    EXPECT_FALSE(connect_to("::1", 8080));
    EXPECT_FALSE(program("::1", 8080)) << "one still has it";
    run(holder->hold({port_to("::1", 8080, 82)}));
    EXPECT_TRUE(reaches(two)) << "it listens again";
    run(holder->release({port_to("::1", 8080, 82), port("::1", 8080)}));
    EXPECT_TRUE(program("::1", 8080));
}

TEST_F(PortHolderTest, ADaemonComesBack) {
    UniqueFd server = program("127.0.0.1", 80);
    auto holder = make();
    run(holder->hold({port("0.0.0.0", 8080), port_to("::1", 8081, 80), port("0.0.0.0", 8082)}));
    pid_t pid = find_process();
    UniqueFd client = connect_to("::1", 8081);
    UniqueFd served = accept_from(server);
    holder.reset();
    EXPECT_FALSE(program("0.0.0.0", 8080)) << "held while there is no daemon";
    UniqueFd meanwhile = connect_to("::1", 8081);
    EXPECT_TRUE(accept_from(server));
    holder = make();
    run(holder->restore({port("0.0.0.0", 8080), port("0.0.0.0", 8080), port_to("::1", 8083, 80)}));
    EXPECT_EQ(find_process(), pid);
    EXPECT_FALSE(program("0.0.0.0", 8080));
    EXPECT_TRUE(program("0.0.0.0", 8082)) << "nobody wants it any more";
    EXPECT_FALSE(connect_to("::1", 8081));
    EXPECT_TRUE(connect_to("::1", 8083));
    send_text(client, "still here");
    EXPECT_EQ(receive(served, 100), "still here");
    run(holder->release({port("0.0.0.0", 8080)}));
    EXPECT_FALSE(program("0.0.0.0", 8080)) << "held twice";
    run(holder->release({port("0.0.0.0", 8080)}));
    EXPECT_TRUE(program("0.0.0.0", 8080));
}

TEST_F(PortHolderTest, RestoresWhatIsThere) {
    UniqueFd theirs = program("0.0.0.0", 8081);
    auto holder = make();
    run(holder->restore({port("0.0.0.0", 8080), port("0.0.0.0", 8081), port("0.0.0.0", 8082)}));
    EXPECT_FALSE(program("0.0.0.0", 8080));
    EXPECT_FALSE(program("0.0.0.0", 8082));
    EXPECT_EQ(listed(), 2U);
}

TEST_F(PortHolderTest, NothingIsStartedForNothing) {
    auto holder = make();
    run(holder->restore({}));
    run(holder->release({port("0.0.0.0", 8080)}));
    EXPECT_FALSE(sys::exists(socket_path()));
}

TEST_F(PortHolderTest, AnotherProcessTakesOverFromAKilledOne) {
    UniqueFd server = program("127.0.0.1", 80);
    auto holder = make();
    run(holder->hold({port("0.0.0.0", 8080), port_to("::1", 8081, 80)}));
    pid_t first = find_process();
    ASSERT_EQ(::kill(first, SIGKILL), 0);
    // The loop notices by itself: nobody asks for anything.
    std::function<bool()> is_back = [&] {
        pid_t now = find_process();
        return now > 0 && now != first && listed() == 2;
    };
    run(until(is_back));
    EXPECT_FALSE(program("0.0.0.0", 8080));
    EXPECT_TRUE(connect_to("::1", 8081));
    pid_t second = find_process();  // and when somebody asks before that
    ASSERT_EQ(::kill(second, SIGKILL), 0);
    run(holder->hold({port("0.0.0.0", 8082)}));
    EXPECT_EQ(listed(), 3U);
    EXPECT_NE(find_process(), second);
    EXPECT_FALSE(program("0.0.0.0", 8080));
    EXPECT_FALSE(program("0.0.0.0", 8082));
}

TEST_F(PortHolderTest, AProcessThatWasStoppedLetsGoLater) {
    auto holder = make(10s, 500ms);
    run(holder->hold({port("0.0.0.0", 8080), port("0.0.0.0", 8081)}));
    pid_t pid = find_process();
    ASSERT_EQ(::kill(pid, SIGSTOP), 0);
    run(holder->release({port("0.0.0.0", 8080)}));  // its connection is given up
    run(holder->release({port("0.0.0.0", 8081)}));
    ASSERT_EQ(::kill(pid, SIGCONT), 0);
    run(until([this] { return listed() == 0; }));
    EXPECT_TRUE(program("0.0.0.0", 8081));
}

TEST_F(PortHolderTest, EndsWhenEmpty) {
    UniqueFd server = program("127.0.0.1", 80);
    auto holder = make();
    run(holder->hold({port_to("::1", 8080, 80)}));
    UniqueFd pidfd = *sys::open_pidfd(find_process());
    UniqueFd client = connect_to("::1", 8080);
    UniqueFd served = accept_from(server);
    run(holder->release({port_to("::1", 8080, 80)}));
    holder.reset();
    send_text(client, "here");
    EXPECT_EQ(receive(served, 100), "here") << "it stays for a connection";
    client.reset();
    served.reset();
    await_end(pidfd);
    EXPECT_FALSE(sys::exists(socket_path()));
    EXPECT_FALSE(sys::exists(folder_ + "/ports.log")) << "it had nothing to say";
    // With a daemon that holds nothing it stays a while; the next port finds another one.
    holder = make(1ms);
    run(holder->hold({port("0.0.0.0", 8080)}));
    pidfd = *sys::open_pidfd(find_process());
    run(holder->release({port("0.0.0.0", 8080)}));
    await_end(pidfd);
    run(holder->hold({port("0.0.0.0", 8080)}));
    EXPECT_FALSE(program("0.0.0.0", 8080));
}

TEST_F(PortHolderTest, HoldAndReleaseInQuickOrder) {
    auto holder = make(0ms);
    auto cycle = [](PortHolder& ports, uint16_t number) -> async::Task<void> {
        for (int i = 0; i < 20; ++i) {
            std::vector<HeldPort> own{port("0.0.0.0", number), port("0.0.0.0", 9000)};
            co_await ports.hold(own);
            EXPECT_FALSE(program("0.0.0.0", number));
            EXPECT_FALSE(program("0.0.0.0", 9000));
            co_await ports.release(own);
        }
    };
    std::vector<async::Task<void>> tasks;
    for (uint16_t number = 8000; number < 8010; ++number) tasks.push_back(cycle(*holder, number));
    run(async::all_of(std::move(tasks)));
    EXPECT_TRUE(program("0.0.0.0", 9000));
    // One at a time: the process ends again and again, at any moment.
    run(cycle(*holder, 8000));
    EXPECT_TRUE(program("0.0.0.0", 8000));
    EXPECT_EQ(listed(), 0U);
}

TEST_F(PortHolderTest, TheProcessIsKilledAgainAndAgain) {
    auto holder = make();
    run(holder->hold({port("0.0.0.0", 7999)}));
    auto cycle = [](PortHolder& ports, uint16_t number) -> async::Task<void> {
        std::vector<HeldPort> own{port("0.0.0.0", number), port_to("::1", number, 80)};
        for (int i = 0; i < 20; ++i) {
            co_await ports.hold(own);
            co_await ports.release(own);
        }
        co_await ports.hold(own);
    };
    std::function<void()> kill_it = [&] {
        if (pid_t pid = find_process(); pid > 0) ::kill(pid, SIGKILL);
    };
    // Fewer than a call repeats: what may fail is a call whose process is killed each time.
    auto kill_twice = [](const std::function<void()>& kill_now) -> async::Task<void> {
        for (int i = 0; i < 2; ++i) {
            co_await async::sleep_for(3ms);
            kill_now();
        }
    };
    for (int round = 0; round < 5; ++round) {
        std::vector<async::Task<void>> tasks;
        for (uint16_t number = 8000; number < 8005; ++number) tasks.push_back(cycle(*holder, number));
        tasks.push_back(kill_twice(kill_it));
        run(async::all_of(std::move(tasks)));
        // Has its turn after what a kill at the very end had begun.
        run(holder->hold({port("0.0.0.0", 9000)}));
        EXPECT_EQ(listed(), 12U);
        for (uint16_t number = 7999; number < 8005; ++number)
            EXPECT_FALSE(program("0.0.0.0", number)) << number;
        for (uint16_t number = 8000; number < 8005; ++number)
            run(holder->release({port("0.0.0.0", number), port_to("::1", number, 80)}));
        run(holder->release({port("0.0.0.0", 9000)}));
        EXPECT_EQ(listed(), 1U);
    }
}

TEST_F(PortHolderTest, AHoldThatIsCancelledIsUndone) {
    auto holder = make();
    run(holder->hold({port("0.0.0.0", 8000)}));
    for (int i = 0; i < 20; ++i) {
        auto noted = [](PortHolder& ports, bool& held) -> async::Task<void> {
            co_await ports.hold({port("0.0.0.0", 8080)});
            held = true;
        };
        auto one_of_both = [](PortHolder& ports, async::Task<void> holding, bool& held,
                              int turns) -> async::Task<void> {
            std::vector<async::Task<void>> tasks;
            tasks.push_back(std::move(holding));
            tasks.push_back(async::sleep_for(std::chrono::microseconds(turns)));
            co_await async::any_of(std::move(tasks));
            if (held) co_await ports.release({port("0.0.0.0", 8080)});
        };
        bool held = false;
        run(one_of_both(*holder, noted(*holder, held), held, i * 10));
        // Comes after what undoes it.
        run(holder->release({port("0.0.0.0", 1)}));
        EXPECT_TRUE(program("0.0.0.0", 8080)) << i;
    }
    EXPECT_EQ(listed(), 1U);
}

}  // namespace
}  // namespace berth::net
