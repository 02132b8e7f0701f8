// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "base/json.h"
#include "runtime/seccomp.h"
#include "sys/file.h"

namespace berth::runtime {
namespace {

struct Received {
    std::string text;
    UniqueFd fd;
};

/// Takes one connection, reads it to the end.
Received receive(int listener) {
    UniqueFd connection(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    Received result;
    while (true) {
        char data[4096];
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
        iovec piece{data, sizeof(data)};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        ssize_t size = recvmsg(connection.get(), &message, MSG_CMSG_CLOEXEC);
        if (size <= 0) return result;
        if (const cmsghdr* header = CMSG_FIRSTHDR(&message)) {
            int fd = -1;
            memcpy(&fd, CMSG_DATA(header), sizeof(fd));
            result.fd.reset(fd);
        }
        result.text.append(data, static_cast<size_t>(size));
    }
}

class SeccompListenerTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "berth-listener-XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
    }
    void TearDown() override { sys::remove_tree_at(AT_FDCWD, folder_); }

    UniqueFd listen_at(const std::string& folder) {
        // By a relative name, since the test's own folder may be deep.
        UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        UniqueFd dir = sys::open_file(folder, O_PATH | O_DIRECTORY);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::string path = fmt::format("/proc/self/fd/{}/agent.sock", dir.get());
        memcpy(address.sun_path, path.data(), path.size());
        EXPECT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
        EXPECT_EQ(listen(listener.get(), 1), 0);
        return listener;
    }

    void check_delivery(const std::string& folder) {
        UniqueFd listener = listen_at(folder);
        Received received;
        std::thread agent([&] { received = receive(listener.get()); });
        // More than a socket buffer holds.
        spec::State state{.ociVersion = "1.2.1", .id = "c1", .status = "creating", .pid = 42, .bundle = "/b"};
        state.annotations["large"] = std::string(1'000'000, 'x');
        UniqueFd sent = sys::memory_file("listener", "it is me");
        send_seccomp_listener(folder + "/agent.sock", sent.get(),
                              make_container_process_state(state, 42, "a \"b\""));
        agent.join();

        ASSERT_TRUE(received.fd);
        EXPECT_EQ(sys::read_all(received.fd.get(), "listener"), "it is me");
        json::Value value = json::parse(received.text);
        EXPECT_EQ(value.at("ociVersion").as_string(), "1.2.1");
        EXPECT_EQ(value.at("fds"), json::parse(R"(["seccompFd"])"));
        EXPECT_EQ(value.at("pid").to_number<int>(), 42);
        EXPECT_EQ(value.at("metadata").as_string(), "a \"b\"");
        EXPECT_EQ(value.at("state").at("id").as_string(), "c1");
        EXPECT_EQ(value.at("state").at("status").as_string(), "creating");
        EXPECT_EQ(value.at("state").at("annotations").at("large").as_string().size(), 1'000'000U);
    }

    std::string folder_;
};

TEST_F(SeccompListenerTest, TheAgentGetsStateAndDescriptor) {
    check_delivery(folder_);
}

TEST_F(SeccompListenerTest, LongPathsWork) {
    std::string folder = folder_ + "/" + std::string(120, 'a');
    ASSERT_EQ(mkdir(folder.c_str(), 0700), 0);
    check_delivery(folder);
}

TEST_F(SeccompListenerTest, NoAgentIsAnError) {
    try {
        send_seccomp_listener(folder_ + "/nobody.sock", 0, "{}");
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ENOENT);
        EXPECT_TRUE(std::string(error.what()).starts_with("linux.seccomp.listenerPath: ")) << error.what();
    }
}

}  // namespace
}  // namespace berth::runtime
