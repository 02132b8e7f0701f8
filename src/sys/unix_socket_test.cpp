// SPDX-License-Identifier: Apache-2.0
#include "sys/unix_socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "sys/file.h"

namespace berth::sys {
namespace {

class UnixSocketTest : public ::testing::Test {
  protected:
    UnixSocketTest() {
        char name[] = "/tmp/unix-socket-test-XXXXXX";
        root_ = ::mkdtemp(name);
    }
    ~UnixSocketTest() override { remove_tree_at(AT_FDCWD, root_); }

    /// Listens in a folder of the test's; the socket's path.
    std::string listen_in(const std::string& folder) {
        make_dirs(folder);
        UniqueFd directory = open_file(folder, O_PATH | O_DIRECTORY);
        listener_.reset(check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
        sockaddr_un address = unix_address(directory.get(), "s");
        check(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
        check(::listen(listener_.get(), 1), "listen");
        return folder + "/s";
    }

    /// Connects there and sends a descriptor of a file; what the other side has got reads that file.
    void expect_delivered(const std::string& path) {
        UniqueFd client = connect_unix(path);
        UniqueFd server(check(::accept(listener_.get(), nullptr, nullptr), "accept"));
        UniqueFd file = memory_file("sent", "of the file");
        EXPECT_EQ(send_with_fd(client.get(), "data", file.get()), 4u);
        char data[16];
        iovec piece{data, sizeof data};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        ASSERT_EQ(::recvmsg(server.get(), &message, MSG_CMSG_CLOEXEC), 4);
        EXPECT_EQ(std::string(data, 4), "data");
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        ASSERT_NE(header, nullptr);
        int number = -1;
        std::memcpy(&number, CMSG_DATA(header), sizeof number);
        UniqueFd received(number);
        EXPECT_EQ(read_all(received.get(), "received"), "of the file");
    }

    std::string root_;
    UniqueFd listener_;
};

TEST_F(UnixSocketTest, SendsADescriptor) {
    expect_delivered(listen_in(root_ + "/short"));
}

TEST_F(UnixSocketTest, APathMayBeLongerThanAnAddress) {
    expect_delivered(listen_in(root_ + "/" + std::string(200, 'x')));
}

TEST_F(UnixSocketTest, TellsWhereItCannotConnect) {
    for (const std::string& path : {root_ + "/absent", root_ + "/" + std::string(200, 'x') + "/absent"}) {
        try {
            (void)connect_unix(path);
            FAIL() << path;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::not_found) << error.what();
            EXPECT_NE(std::string(error.what()).find(root_), std::string::npos) << error.what();
        }
    }
    EXPECT_THROW(unix_address(3, std::string(120, 'x')), Error);
}

}  // namespace
}  // namespace berth::sys
