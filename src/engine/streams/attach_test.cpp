// SPDX-License-Identifier: Apache-2.0
// Sessions with real sockets, shims and containers: this program is the shim too (see main).
#include "engine/streams/attach.h"

#include "engine/streams/detach_keys.h"
#include "engine/streams/stream_fixture.h"

namespace berth::engine {
namespace {

class AttachTest : public StreamsTest {
  protected:
    static AttachOptions all() {
        AttachOptions options;
        options.stream = options.in = options.out = options.err = true;
        options.detach_keys = parse_detach_keys("");
        return options;
    }
    TestClient attach(AttachOptions options = all(), bool opaque = false, std::string before = {}) {
        Connection connection = connect();
        std::unique_ptr<async::Stream> server = std::move(connection.server);
        if (opaque) server = std::make_unique<OpaqueStream>(std::move(server));
        if (!before.empty()) server = async::with_prefix(std::move(before), std::move(server));
        control_.block_on(attachments_.attach(container_, std::move(server), std::move(options)));
        return std::move(connection.client);
    }

    Attachments attachments_{{control_, streams_.context(), publisher()}};
};

TEST_F(AttachTest, BeforeTheStartNothingIsMissed) {
    make_container("echo first; cat; echo last >&2", true, true);
    TestClient client = attach();
    client.send("typed early\n");
    start();
    client.send("and late\n");
    client.half_close();
    EXPECT_EQ(texts_of(client.read_to_end()),
              (std::map<char, std::string>{{'1', "first\ntyped early\nand late\n"}, {'2', "last\n"}}));
    EXPECT_EQ(wait(), 0);
    EXPECT_EQ(published_.front().action, "attach");
}

TEST_F(AttachTest, OnlyWhatIsAskedFor) {
    make_container("echo out; echo err >&2");
    AttachOptions options = all();
    options.in = options.out = false;
    TestClient err = attach(options);
    options.out = true;
    options.err = false;
    TestClient out = attach(options);
    start();
    EXPECT_EQ(frames_of(err.read_to_end()), std::vector<std::string>{"2:err\n"});
    EXPECT_EQ(frames_of(out.read_to_end()), std::vector<std::string>{"1:out\n"});
    wait();
}

TEST_F(AttachTest, InputThatNobodyReadIsNoError) {
    make_container("read line; echo $line", true, true);
    TestClient client = attach();
    start();
    client.send(std::string(100'000, 'x') + "\n");
    client.send(std::string(50'000, 'y'));
    std::string all = client.read_to_end();
    EXPECT_EQ(all.find('<'), std::string::npos) << all.substr(all.find('<'), 50);
    EXPECT_GT(all.size(), 100'000U);
    wait();
}

TEST_F(AttachTest, BytesThatWereReadAheadComeFirst) {
    make_container("cat", true, true);
    TestClient client = attach(all(), false, "ahead ");
    start();
    client.send("of it");
    client.half_close();
    EXPECT_EQ(frames_of(client.read_to_end()), std::vector<std::string>{"1:ahead of it"});
    wait();
}

TEST_F(AttachTest, AStreamThatIsNoSocketIsCopied) {
    make_container("cat; echo last >&2", true, true);
    TestClient client = attach(all(), true, "ahead ");
    start();
    std::string text(300'000, 'z');
    std::string frames;
    std::thread reader([&] { frames = client.read_to_end(); });
    client.send(text);
    client.half_close();
    reader.join();
    EXPECT_EQ(texts_of(frames), (std::map<char, std::string>{{'1', "ahead " + text}, {'2', "last\n"}}));
    wait();
}

TEST_F(AttachTest, ATerminalIsLeftByItsKeys) {
    make_container("cat", true, true, true);
    TestClient client = attach();
    start();
    client.send("word\r");
    client.read_until("word\r\nword\r\n");
    client.send("\x10");
    client.send("x");
    EXPECT_EQ(client.read_until("x"), "^Px") << "what was held back is passed on";
    client.send("\x10\x11");
    EXPECT_EQ(client.read_to_end(), "");
    control_.block_on(until_published("detach"));
    EXPECT_FALSE(shim_->process.wait_for(std::chrono::milliseconds(0)));
    TestClient again = attach();
    again.send("\r");
    again.read_until("\r\n");
    kill();
    again.read_to_end();
}

TEST_F(AttachTest, ATerminalsClientThatIsNoSocket) {
    make_container("echo hello; cat", true, true, true);
    AttachOptions options = all();
    options.detach_keys = parse_detach_keys("ctrl-a,a");
    TestClient client = attach(options, true);
    start();
    client.read_until("hello\r\n");
    client.send(
        "\x01"
        "a");
    EXPECT_EQ(client.read_to_end(), "");
    control_.block_on(until_published("detach"));
    kill();
}

TEST_F(AttachTest, WhereStdinStaysOpenTheClientsEndIsTheSessions) {
    make_container("cat", true, false);
    TestClient client = attach();
    start();
    client.send("one\n");
    EXPECT_EQ(frames_of(client.read_until("one\n")), std::vector<std::string>{"1:one\n"});
    client.half_close();
    EXPECT_EQ(client.read_to_end(), "");
    TestClient next = attach();
    next.send("two\n");
    EXPECT_EQ(frames_of(next.read_until("two\n")), std::vector<std::string>{"1:two\n"});
    kill();
    EXPECT_EQ(next.read_to_end(), "");
}

TEST_F(AttachTest, AClientThatGoesBeforeTheStartIsForgotten) {
    make_container("echo x");
    TestClient client = attach();
    TestClient other = attach();
    EXPECT_EQ(container_->sessions.size(), 2U);
    client.close();
    while (container_->sessions.size() > 1) control_.block_on(async::sleep_for(std::chrono::milliseconds(1)));
    start();
    EXPECT_EQ(frames_of(other.read_to_end()), std::vector<std::string>{"1:x\n"});
    wait();
}

TEST_F(AttachTest, AbandonedSessionsEnd) {
    make_container("true");
    TestClient client = attach();
    for (auto& session : container_->sessions) session->abandon();
    EXPECT_EQ(client.read_to_end(), "");
    start();
    wait();
}

TEST_F(AttachTest, LogsComeFirst) {
    make_container("echo one; read a; echo two; read a", true, true);
    start();
    AttachOptions options = all();
    options.logs = true;
    TestClient first = attach();
    first.send("\n");
    first.read_until("two\n");
    TestClient client = attach(options);
    EXPECT_EQ(frames_of(client.read_until("two\n")), std::vector<std::string>{"1:one\ntwo\n"});
    client.send("\n");
    EXPECT_EQ(wait(), 0);
    EXPECT_EQ(client.read_to_end(), "");
    options.stream = false;
    TestClient history = attach(options);
    EXPECT_EQ(frames_of(history.read_to_end()), std::vector<std::string>{"1:one\ntwo\n"});
}

TEST_F(AttachTest, StatesThatRefuse) {
    make_container("true");
    Attachments::check(*container_, "web");
    container_->set_status(ContainerStatus::paused);
    try {
        Attachments::check(*container_, "web");
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::conflict);
        EXPECT_EQ(std::string(error.what()), "container web is paused, unpause the container before attach");
    }
    start();
    wait();
}

}  // namespace
}  // namespace berth::engine

int main(int argc, char** argv) {
    if (argc > 1 && std::strcmp(argv[1], "run") == 0) return berth::shim::run_main(argc - 1, argv + 1);
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
