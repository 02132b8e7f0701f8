// SPDX-License-Identifier: Apache-2.0
#include "engine/streams/exec.h"

#include "engine/streams/stream_fixture.h"

namespace berth::engine {
namespace {

class ExecTest : public StreamsTest {
  protected:
    std::string create(std::vector<std::string> command, bool in = false, bool tty = false) {
        spec::api::ExecCreateRequest request;
        request.Cmd = std::move(command);
        request.AttachStdin = in;
        request.AttachStdout = request.AttachStderr = true;
        request.Tty = tty;
        return execs_.create(options_.id, std::move(request));
    }
    static std::vector<std::string> shell(std::string script) {
        return {"/bin/busybox", "sh", "-c", std::move(script)};
    }
    TestClient start_exec(const std::string& id, bool tty = false, bool opaque = false) {
        Connection connection = connect();
        std::unique_ptr<async::Stream> server = std::move(connection.server);
        if (opaque) server = std::make_unique<OpaqueStream>(std::move(server));
        spec::api::ExecStartRequest request;
        request.Tty = tty;
        control_.spawn("start", execs_.start_attached(id, request, std::move(server)));
        // The start itself; what the client reads may come before it ends.
        control_.block_on(async::sleep_for(std::chrono::milliseconds(0)));
        return std::move(connection.client);
    }
    /// Reads while the loop runs.
    std::string read_to_end(TestClient& client) {
        std::string all;
        auto read = [&] { all = client.read_to_end(); };
        auto task = [](std::function<void()> work) -> async::Task<void> {
            co_await async::run_blocking(std::move(work));
        };
        control_.block_on(task(read));
        return all;
    }
    spec::api::ExecInspect inspect(const std::string& id) { return control_.block_on(execs_.inspect(id)); }
    std::shared_ptr<Container> get(std::string_view reference) {
        if (reference != options_.id)
            throw make_error(ErrorKind::not_found, "No such container: {}", reference);
        return container_;
    }
    std::string error_of(const std::function<void()>& call, ErrorKind kind) {
        try {
            call();
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), kind) << error.what();
            return error.what();
        }
        return "no error";
    }

    DaemonConfig config_;
    HostFacts host_ = HostFacts::read();
    Execs execs_{{control_, streams_.context(), config_, host_,
                  [this](std::string_view name) { return get(name); }, publisher()}};
};

constexpr const char* kForever = "while :; do sleep 1000; done";

TEST_F(ExecTest, OutputThenExitCode) {
    make_container(kForever);
    start();
    // Again and again: the code is to be known as soon as the output has ended.
    for (int i = 0; i < 20; ++i) {
        std::string id = create(shell("echo out; echo err >&2; exit " + std::to_string(i)));
        EXPECT_FALSE(inspect(id).ExitCode);
        TestClient client = start_exec(id);
        std::vector<std::string> frames = frames_of(read_to_end(client));
        EXPECT_EQ(frames.size(), 2U);
        spec::api::ExecInspect view = inspect(id);
        EXPECT_FALSE(view.Running);
        EXPECT_EQ(view.ExitCode, i);
        EXPECT_GT(view.Pid, 0);
    }
    EXPECT_TRUE(container_->exec_ids.empty());
    std::vector<std::string> actions;
    for (size_t i = 0; i < 3; ++i) actions.push_back(published_[i].action);
    EXPECT_EQ(actions, (std::vector<std::string>{
                           "exec_create: /bin/busybox sh -c echo out; echo err >&2; exit 0",
                           "exec_start: /bin/busybox sh -c echo out; echo err >&2; exit 0", "exec_die"}));
    EXPECT_EQ(published_[2].more["exitCode"], "0");
    kill();
}

TEST_F(ExecTest, StdinEndsWithTheClients) {
    make_container(kForever);
    start();
    for (bool opaque : {false, true}) {
        std::string id = create(shell("cat; exit 5"), true);
        TestClient client = start_exec(id, false, opaque);
        client.send("to the process");
        client.half_close();
        EXPECT_EQ(frames_of(read_to_end(client)), std::vector<std::string>{"1:to the process"});
        EXPECT_EQ(inspect(id).ExitCode, 5);
    }
    kill();
}

TEST_F(ExecTest, ATerminalWithItsSizeAndKeys) {
    make_container(kForever, false, false, true);
    start();
    std::string id = create(shell("read a; stty size; cat"), true, true);
    TestClient client = start_exec(id, true);
    control_.block_on(execs_.resize(id, 91, 17));
    client.send("\r");
    client.read_until("17 91\r\n");
    client.send("\x10\x11");
    EXPECT_EQ(read_to_end(client), "");
    control_.block_on(until_published("exec_detach"));
    EXPECT_TRUE(inspect(id).Running);
    kill();
    control_.block_on(until_published("exec_die"));
    EXPECT_EQ(inspect(id).ExitCode, 137);
}

TEST_F(ExecTest, WhatCannotBeExecuted) {
    make_container(kForever);
    start();
    std::string id = create({"no-such-program"});
    TestClient client = start_exec(id);
    EXPECT_EQ(frames_of(read_to_end(client)),
              std::vector<std::string>{
                  "1:OCI runtime exec failed: exec failed: unable to start container process: "
                  "exec: \"no-such-program\": executable file not found in $PATH: unknown\r\n"});
    EXPECT_EQ(inspect(id).ExitCode, 127);
    EXPECT_FALSE(inspect(id).Running);

    std::string again = create({"/bin"}, false, true);
    std::string text =
        error_of([&] { control_.block_on(execs_.start_detached(again, {})); }, ErrorKind::invalid_argument);
    EXPECT_NE(text.find("OCI runtime exec failed: exec failed: unable to start container process: "),
              std::string::npos)
        << text;
    EXPECT_EQ(inspect(again).ExitCode, 126);
    kill();
}

TEST_F(ExecTest, DetachedOnce) {
    make_container(kForever);
    start();
    std::string id = create(shell("exit 4"));
    control_.block_on(execs_.start_detached(id, {}));
    control_.block_on(until_published("exec_die"));
    EXPECT_EQ(inspect(id).ExitCode, 4);
    std::string text =
        error_of([&] { control_.block_on(execs_.start_detached(id, {})); }, ErrorKind::conflict);
    EXPECT_EQ(text, "Error: Exec command " + id + " has already run");
    kill();
}

TEST_F(ExecTest, StatesThatRefuse) {
    make_container(kForever);
    auto none = [&] { create(shell("true")); };
    EXPECT_EQ(error_of(none, ErrorKind::conflict), "container " + options_.id + " is not running");
    start();
    std::string id = create(shell("true"));
    EXPECT_EQ(error_of([&] { create({}); }, ErrorKind::invalid_argument), "No exec command specified");
    container_->set_status(ContainerStatus::paused);
    std::string paused = "Container " + options_.id + " is paused, unpause the container before exec";
    EXPECT_EQ(error_of(none, ErrorKind::conflict), paused);
    EXPECT_EQ(error_of([&] { execs_.check_startable(id); }, ErrorKind::conflict), paused);
    EXPECT_EQ(error_of([&] { execs_.check_startable("x"); }, ErrorKind::not_found),
              "No such exec instance: x");
    kill();
}

}  // namespace
}  // namespace berth::engine
