// SPDX-License-Identifier: Apache-2.0
#include "shim/protocol.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "shim/exit_record.h"
#include "shim/options.h"
#include "sys/file.h"

namespace berth::shim {
namespace {

struct Pair {
    UniqueFd a, b;
    Pair() {
        std::array<int, 2> fds{};
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()), 0);
        a.reset(fds[0]);
        b.reset(fds[1]);
    }
};

struct Directory {
    std::string path = "/tmp/berth-shim-test-XXXXXX";
    UniqueFd fd;
    explicit Directory(const std::string& below = {}) {
        EXPECT_NE(mkdtemp(path.data()), nullptr);
        top = path;
        path += below;
        sys::make_dirs(path);
        fd = sys::open_file(path, O_PATH | O_DIRECTORY);
    }
    ~Directory() { sys::remove_tree_at(AT_FDCWD, top); }
    std::string top;
};

TEST(Message, carries_text_and_descriptors) {
    Pair pair;
    UniqueFd file = sys::memory_file("test", "content");
    ASSERT_EQ(send_message(pair.a.get(), R"({"op":"x"})", {file.get(), file.get()}, true), SendResult::sent);
    auto message = receive_message(pair.b.get(), true);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->text, R"({"op":"x"})");
    ASSERT_EQ(message->fds.size(), 2U);
    EXPECT_EQ(sys::read_all(message->fds[0].get(), "it"), "content");
    EXPECT_EQ(fcntl(message->fds[1].get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    EXPECT_FALSE(message->fds_lost);
}

TEST(Message, keeps_boundaries) {
    Pair pair;
    send_message(pair.a.get(), "one", {}, true);
    send_message(pair.a.get(), "two", {}, true);
    EXPECT_EQ(receive_message(pair.b.get(), true)->text, "one");
    EXPECT_EQ(receive_message(pair.b.get(), true)->text, "two");
    EXPECT_FALSE(receive_message(pair.b.get(), false));
}

TEST(Message, of_the_largest_size_passes_and_a_longer_one_is_refused) {
    Pair pair;
    std::string text(kMaxMessage, 'x');
    ASSERT_EQ(send_message(pair.a.get(), text, {}, true), SendResult::sent);
    EXPECT_EQ(receive_message(pair.b.get(), true)->text, text);
    text += 'x';
    EXPECT_THROW(send_message(pair.a.get(), text, {}, true), Error);
    ASSERT_GT(::send(pair.a.get(), text.data(), text.size(), 0), 0);
    EXPECT_THROW((void)receive_message(pair.b.get(), true), Error);
}

TEST(Message, to_a_closed_socket_says_gone_without_a_signal) {
    Pair pair;
    pair.b.reset();
    EXPECT_EQ(send_message(pair.a.get(), "x", {}, true), SendResult::gone);
    EXPECT_EQ(receive_message(pair.a.get(), true)->text, "");
}

TEST(Message, sent_before_the_other_side_closed_with_unread_requests_is_still_received) {
    Pair pair;
    send_message(pair.a.get(), "last words", {}, true);
    send_message(pair.b.get(), "never read", {}, true);
    pair.a.reset();  // the kernel tells the reset before the data
    EXPECT_EQ(receive_message(pair.b.get(), true)->text, "last words");
    EXPECT_EQ(receive_message(pair.b.get(), true)->text, "");
}

TEST(Message, descriptors_that_do_not_fit_are_told) {
    Pair pair;
    UniqueFd file = sys::memory_file("test", "");
    send_message(pair.a.get(), "x", {file.get(), file.get()}, true);
    // With the lowest limit that keeps those open, none can be added.
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    rlimit none{0, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    auto message = receive_message(pair.b.get(), true);
    setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_TRUE(message->fds_lost);
    EXPECT_TRUE(message->fds.empty());
    EXPECT_EQ(message->text, "x");
}

TEST(ErrorOnTheWire, keeps_kind_message_and_code) {
    Error error(ErrorKind::not_implemented, "no \"such\" thing", 7);
    json::Object wire = encode_error(error);
    EXPECT_EQ(wire["kind"].as_string(), "not_implemented");
    try {
        throw_error(wire);
    } catch (const Error& back) {
        EXPECT_EQ(back.kind(), error.kind());
        EXPECT_STREQ(back.what(), error.what());
        EXPECT_EQ(back.code(), 7);
        EXPECT_EQ(dynamic_cast<const ProgramError*>(&back), nullptr);
    }
}

TEST(ErrorOnTheWire, a_text_of_any_length_fits_into_a_message) {
    for (const char* letter : {"x", "\x01", "ä", "\xff"}) {
        std::string text = "exec: ";
        while (text.size() < 3 * kMaxMessage) text += letter;
        Error error(ErrorKind::not_found, text + ": not found");
        std::string wire = json::print(json::Object{{"id", 1}, {"error", encode_error(error)}});
        EXPECT_LT(wire.size(), kMaxMessage);
        json::Value back = json::parse(wire);
        std::string message(back.as_object()["error"].as_object()["message"].as_string());
        EXPECT_TRUE(message.starts_with("exec: ")) << message;
        EXPECT_TRUE(message.ends_with(": not found")) << message;
    }
}

TEST(ErrorOnTheWire, keeps_the_exit_code_of_a_program_that_can_not_run) {
    json::Object wire = encode_error(ProgramError(Error(ErrorKind::not_found, "exec: x", ENOENT), 127));
    try {
        throw_error(wire);
    } catch (const ProgramError& back) {
        EXPECT_EQ(back.exit_code(), 127);
        return;
    }
    FAIL() << "no ProgramError";
}

TEST(ErrorOnTheWire, an_unknown_kind_is_internal) {
    EXPECT_THROW(
        {
            try {
                throw_error({{"kind", "from_the_future"}, {"message", "m"}});
            } catch (const Error& error) {
                EXPECT_EQ(error.kind(), ErrorKind::internal);
                throw;
            }
        },
        Error);
}

TEST(SocketBeneath, works_however_long_the_path_is) {
    Directory directory("/" + std::string(200, 'd'));
    UniqueFd listener = listen_beneath(directory.fd.get(), kSocketName, 0600);
    UniqueFd client = connect_beneath(directory.fd.get(), kSocketName);
    EXPECT_TRUE(client);
    struct stat info{};
    ASSERT_EQ(fstatat(directory.fd.get(), kSocketName, &info, 0), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600U);
}

TEST(SocketBeneath, replaces_what_a_killed_shim_left) {
    Directory directory;
    listen_beneath(directory.fd.get(), kSocketName, 0600).reset();
    EXPECT_THROW((void)connect_beneath(directory.fd.get(), kSocketName), Error);
    UniqueFd listener = listen_beneath(directory.fd.get(), kSocketName, 0600);
    EXPECT_TRUE(connect_beneath(directory.fd.get(), kSocketName));
}

TEST(ExitRecord, is_read_as_it_was_written) {
    Directory directory;
    EXPECT_FALSE(read_exit(directory.fd.get()));
    ExitRecord record;
    record.id = "web";
    record.pid = 12;
    record.code = 137;
    record.signal = 9;
    record.time_ns = 1'700'000'000'123'456'789;
    record.oom = true;
    record.oom_kills = 2;
    record.started = true;
    write_exit(directory.fd.get(), record);
    sync_exit(directory.fd.get());
    auto back = read_exit(directory.fd.get());
    ASSERT_TRUE(back);
    EXPECT_EQ(json::print(encode_exit(*back)), json::print(encode_exit(record)));
}

TEST(ExitRecord, that_a_power_cut_tore_is_none) {
    Directory directory;
    for (const char* text : {"", "{\"version\":1,\"co", "\0\0\0", "{}"}) {
        sys::write_file_atomic_at(directory.fd.get(), kExitFile, text);
        EXPECT_FALSE(read_exit(directory.fd.get())) << text;
    }
}

TEST(ShimOptions, name_what_is_wrong) {
    auto message = [](std::string_view text) -> std::string {
        try {
            decode_options(text);
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
            return error.what();
        }
        return "accepted";
    };
    EXPECT_EQ(message("{}"), "shim.json: id: missing");
    EXPECT_EQ(message(R"({"id":"a","log":{"driver":"syslog"}})"),
              "shim.json: log.driver: unknown value \"syslog\"");
    EXPECT_EQ(message(R"({"id":"a","log":{"max_file":0}})"), "shim.json: log.max_file: must be at least 1");
    EXPECT_EQ(message(R"({"id":"a","open_stdin":3})"),
              "shim.json: open_stdin: expected a boolean, found a number");
    EXPECT_EQ(message(R"({"id":"a","of_a_newer_daemon":[1]})"), "accepted");
}

TEST(ShimOptions, survive_the_wire) {
    ShimOptions options;
    options.id = "web";
    options.rootfs = RootfsSettings{"overlay", "overlay", {"lowerdir=/a:/b", "volatile"}};
    options.stdin_once = true;
    options.log.attrs = json::Object{{"env", "test"}};
    options.oom_score_adj = -500;
    ShimOptions back = decode_options(encode_options(options));
    EXPECT_EQ(back.rootfs->options, options.rootfs->options);
    EXPECT_TRUE(back.stdin_once);
    EXPECT_EQ(back.oom_score_adj, -500);
    EXPECT_EQ(log_options(back.log, 5).attrs, R"({"env":"test"})");
}

}  // namespace
}  // namespace berth::shim
