// SPDX-License-Identifier: Apache-2.0
// The client against a real shim with a real container: this program is the shim too (see main).
#include "shim/client.h"

#include <signal.h>
#include <sys/socket.h>

#include "runtime/container.h"
#include "shim/shim_fixture.h"

namespace berth::shim {
namespace {

class ClientTest : public ShimTest {};

TEST_F(ClientTest, a_container_from_spawn_to_exit) {
    options_.open_stdin = true;
    options_.stdin_once = true;
    Spawned shim = start_shim("read line; echo got $line; exit 3");
    EXPECT_EQ(shim.ready["id"].as_string(), options_.id);
    Client& client = shim.client;
    EXPECT_EQ(client.subscribe()["status"].as_string(), "created");
    Pipe in, out;
    EXPECT_GT(client.attach({.in = in.read.get(), .out = out.write.get()}), 0U);
    in.read.reset();
    out.write.reset();
    EXPECT_GT(client.start(), 0);
    EXPECT_EQ((*client.next_event())["event"].as_string(), "started");
    sys::write_all(in.write.get(), "word\n", "stdin");
    EXPECT_EQ(read_to_end(std::move(out.read)), "got word\n");
    auto event = client.next_event();
    ASSERT_TRUE(event);
    EXPECT_EQ((*event)["event"].as_string(), "exited");
    EXPECT_FALSE(client.next_event()) << "the shim has gone";
    EXPECT_EQ(shim.process.wait().code, 0);
    auto record = read_exit(directory_.get());
    ASSERT_TRUE(record);
    EXPECT_EQ(record->code, 3);
    EXPECT_EQ(recover(directory_.get())->code, 3) << "what is recorded is kept";
}

TEST_F(ClientTest, execs_signals_resources) {
    Spawned shim = start_shim("while :; do sleep 1000; done");
    Client& client = shim.client;
    client.start();
    Pipe out;
    ExecAnswer exec = client.exec("one", shell("echo from exec; exit 4"), {.out = out.write.get()});
    out.write.reset();
    EXPECT_GT(exec.attachment, 0U);
    EXPECT_EQ(read_to_end(std::move(out.read)), "from exec\n");
    EXPECT_EQ(client.exec_wait("one").code, 4);
    try {
        client.exec("two", R"({"args":["/no/such"],"cwd":"/"})");
        FAIL();
    } catch (const ProgramError& error) {
        EXPECT_EQ(error.exit_code(), 127);
    }
    client.exec("three", shell("sleep 1000"));
    client.kill(SIGTERM, false, "three");
    EXPECT_EQ(client.exec_wait("three").signal, SIGTERM);
    client.pause();
    EXPECT_EQ(client.state()["status"].as_string(), "paused");
    client.resume();
    EXPECT_FALSE(client.pids().empty());
    EXPECT_TRUE(client.stats().contains("memory"));
    client.kill(SIGKILL);
    EXPECT_EQ(client.wait().signal, SIGKILL);
    shim.process.wait();
}

TEST_F(ClientTest, a_later_client_takes_over) {
    Spawned shim = start_shim("sleep 1000");
    shim.client.start();
    Pipe parked;
    shim.client.park("pipe", {parked.write.get()});
    shim.client = Client(UniqueFd());
    parked.write.reset();
    Client client = Client::connect(path_);
    EXPECT_EQ(client.hello()["major"].as_int64(), kProtocolMajor);
    std::vector<UniqueFd> fds = client.unpark("pipe", false);
    ASSERT_EQ(fds.size(), 1U);
    sys::write_all(fds[0].get(), "x", "parked");
    fds.clear();
    EXPECT_EQ(read_to_end(std::move(parked.read)), "x");
    EXPECT_FALSE(recover(directory_.get())) << "the shim lives";
    client.remove(true);
    EXPECT_EQ(shim.process.wait().code, 0);
    EXPECT_THROW((void)Client::connect(path_), Error);
}

TEST_F(ClientTest, a_container_that_dies_with_its_client) {
    options_.dies_with_client = true;
    Spawned shim = start_shim("sleep 1000");
    shim.client.start();
    Client other = Client::connect(path_);
    EXPECT_EQ(other.state()["status"].as_string(), "running");
    shim.client = Client(UniqueFd());
    EXPECT_EQ(other.wait().signal, SIGKILL);
    EXPECT_EQ(shim.process.wait().code, 0);
}

TEST_F(ClientTest, recover_cleans_up_after_a_killed_shim) {
    Spawned shim = start_shim("sleep 1000");
    pid_t init = shim.client.start();
    shim.process.signal(SIGKILL);
    shim.process.wait();
    EXPECT_FALSE(shim.client.next_event());
    EXPECT_FALSE(read_exit(directory_.get()));
    auto record = recover(directory_.get());
    ASSERT_TRUE(record);
    EXPECT_EQ(record->code, 255);
    EXPECT_FALSE(record->error.empty());
    EXPECT_EQ(read_exit(directory_.get())->code, 255);
    auto stat = sys::process_stat(init);
    EXPECT_TRUE(!stat || stat->state == 'Z') << "its init was killed";
    EXPECT_FALSE(sys::exists(path_ + "/shim.sock"));
}

TEST_F(ClientTest, what_the_shim_answers_is_thrown) {
    try {
        sys::write_file_atomic_at(directory_.get(), "config.json",
                                  R"({"ociVersion":"1.2.0","process":{"cwd":"x"}})");
        sys::write_file_atomic_at(directory_.get(), "shim.json", encode_options(options_));
        spawn("/proc/self/exe", directory_.get(), options_.id);
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        EXPECT_NE(std::string_view(error.what()).find("root: is required"), std::string_view::npos)
            << error.what();
    }
    Spawned shim = start_shim("true");
    try {
        shim.client.kill(1000);
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    }
    shim.client.remove(true);
    shim.process.wait();
}

TEST_F(ClientTest, a_terminal) {
    Spawned shim = start_shim("read line; stty size", true);
    Pipe out, in;
    shim.client.attach({.in = in.read.get(), .out = out.write.get()});
    out.write.reset();
    shim.client.start();
    shim.client.resize(91, 17);
    sys::write_all(in.write.get(), "\n", "stdin");
    EXPECT_EQ(read_to_end(std::move(out.read)), "\r\n17 91\r\n");
    shim.process.wait();
}

}  // namespace
}  // namespace berth::shim

int main(int argc, char** argv) {
    if (argc > 1 && std::strcmp(argv[1], "run") == 0) return berth::shim::run_main(argc - 1, argv + 1);
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
