// SPDX-License-Identifier: Apache-2.0
// The coroutines' client against a real shim with a real container: this program is the shim too (see main).
#include "shim/client_async.h"

#include <sys/socket.h>

#include <csignal>

#include "async/descriptor.h"
#include "shim/protocol.h"
#include "shim/shim_fixture.h"

namespace berth::shim {
namespace {

using namespace std::chrono_literals;

/// What a listener was told, and a way to wait for it.
struct Heard {
    explicit Heard(async::Context& context) : more(context) {}

    AsyncClient::Listener listener() {
        auto event = [this](const json::Object& body) {
            events.emplace_back(body.at("event").as_string());
            more.set();
        };
        auto ended = [this] {
            ++ends;
            more.set();
        };
        return {event, ended};
    }
    async::Task<void> until_event(std::string name) {
        while (std::ranges::find(events, name) == events.end()) co_await next();
    }
    async::Task<void> until_ended() {
        while (ends == 0) co_await next();
    }
    async::Task<void> next() {
        more.reset();
        co_await more.wait();
    }

    async::Event more;
    std::vector<std::string> events;
    int ends = 0;
};

/// The result of a call that is to fail.
template <typename T>
async::Task<ErrorKind> kind_of(async::Task<T> call) {
    std::optional<ErrorKind> kind;
    try {
        co_await std::move(call);
    } catch (const Error& error) {
        kind = error.kind();
    }
    EXPECT_TRUE(kind) << "no error";
    co_return kind.value_or(ErrorKind::internal);
}

class AsyncClientTest : public ShimTest {
  protected:
    async::Context context_;
    Heard heard_{context_};
};

TEST_F(AsyncClientTest, a_container_from_spawn_to_exit) {
    Spawned shim = start_shim("read line; echo got $line; exit 3");
    options_.open_stdin = true;
    auto run = [&]() -> async::Task<void> {
        AsyncClient client(context_, shim.client.release(), heard_.listener());
        json::Object state = co_await client.subscribe();
        EXPECT_EQ(state.at("status").as_string(), "created");
        Pipe out;
        Streams streams{.out = out.write.get()};
        uint64_t attachment = co_await client.attach(streams);
        EXPECT_GT(attachment, 0U);
        out.write.reset();
        pid_t pid = co_await client.start();
        EXPECT_GT(pid, 0);
        ExitRecord exit = co_await client.wait();
        EXPECT_EQ(exit.code, 3);
        EXPECT_EQ(read_to_end(std::move(out.read)), "got\n");
        co_await heard_.until_ended();
        EXPECT_FALSE(client.is_open());
        ErrorKind kind = co_await kind_of(client.pids());
        EXPECT_EQ(kind, ErrorKind::unavailable);
    };
    context_.block_on(run());
    std::vector<std::string> wanted{"started", "exited"};
    EXPECT_EQ(heard_.events, wanted);
    EXPECT_EQ(heard_.ends, 1);
    shim.process.wait();
}

TEST_F(AsyncClientTest, many_calls_in_flight_and_their_errors) {
    Spawned shim = start_shim("while :; do sleep 1000; done");
    auto one = [](AsyncClient& client, int number) -> async::Task<void> {
        std::string id = "exec" + std::to_string(number);
        std::string script = "exit " + std::to_string(number);
        co_await client.exec(id, shell(script));
        ExecResult result = co_await client.exec_wait(id);
        EXPECT_EQ(result.code, number);
    };
    auto run = [&]() -> async::Task<void> {
        AsyncClient client(context_, shim.client.release());
        co_await client.start();
        std::vector<async::Task<void>> calls;
        for (int i = 0; i < 20; ++i) calls.push_back(one(client, i));
        co_await async::all_of(std::move(calls));

        std::string missing = R"({"args":["/no/such"],"cwd":"/"})";
        int exit_code = 0;
        try {
            co_await client.exec("none", missing);
        } catch (const ProgramError& error) {
            exit_code = error.exit_code();
        }
        EXPECT_EQ(exit_code, 127);
        ErrorKind kind = co_await kind_of(client.kill(1000));
        EXPECT_EQ(kind, ErrorKind::invalid_argument);

        // A body that no message could hold.
        std::string long_process =
            R"({"args":["/bin/busybox","true"],"cwd":"/","user":{"uid":0,"gid":0},"env":["A=)" +
            std::string(100'000, 'x') + "\"]}";
        co_await client.exec("long", long_process);
        ExecResult result = co_await client.exec_wait("long");
        EXPECT_EQ(result.code, 0);

        Pipe parked;
        co_await client.park("pipe", {parked.write.get()});
        std::vector<UniqueFd> fds = co_await client.unpark("pipe", false);
        EXPECT_EQ(fds.size(), 1U);
        co_await client.remove(true);
    };
    context_.block_on(run());
    shim.process.wait();
}

TEST_F(AsyncClientTest, a_cancelled_call_leaves_the_others_alone) {
    Spawned shim = start_shim("while :; do sleep 1000; done");
    auto run = [&]() -> async::Task<void> {
        AsyncClient client(context_, shim.client.release());
        co_await client.start();
        bool cancelled = false;
        auto wait = [&client, &cancelled]() -> async::Task<void> {
            try {
                co_await client.wait();
            } catch (...) {
                cancelled = async::is_cancelled(std::current_exception());
                throw;
            }
        };
        auto ask = [&client]() -> async::Task<void> { co_await client.pids(); };
        std::vector<async::Task<void>> both;
        both.push_back(wait());
        both.push_back(ask());
        size_t first = co_await async::any_of(std::move(both));
        EXPECT_EQ(first, 1U);
        EXPECT_TRUE(cancelled);
        co_await client.kill(SIGKILL);
        ExitRecord exit = co_await client.wait();
        EXPECT_EQ(exit.signal, SIGKILL);
    };
    context_.block_on(run());
    shim.process.wait();
}

TEST_F(AsyncClientTest, a_later_client_connects_and_a_killed_shim_is_told) {
    Spawned shim = start_shim("sleep 1000");
    pid_t init = shim.client.start();
    auto run = [&]() -> async::Task<void> {
        auto client = AsyncClient::connect(context_, directory_.get(), heard_.listener());
        json::Object hello = co_await client->hello();
        EXPECT_EQ(hello.at("pid").as_int64(), init);
        auto killed = [&client]() -> async::Task<void> {
            ErrorKind kind = co_await kind_of(client->wait());
            EXPECT_EQ(kind, ErrorKind::unavailable);
        };
        auto kill = [&shim]() -> async::Task<void> {
            co_await async::sleep_for(0ms);
            shim.process.signal(SIGKILL);
        };
        std::vector<async::Task<void>> both;
        both.push_back(killed());
        both.push_back(kill());
        co_await async::all_of(std::move(both));
        co_await heard_.until_ended();
    };
    context_.block_on(run());
    EXPECT_EQ(heard_.ends, 1);
    shim.process.wait();
    recover(directory_.get());
    EXPECT_THROW((void)AsyncClient::connect(context_, directory_.get()), Error);
}

/// Against a socket that plays the shim: what can't be arranged with a real one.
TEST_F(AsyncClientTest, requests_wait_for_room_and_keep_their_order) {
    std::array<int, 2> pair{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()), 0);
    UniqueFd theirs(pair[1]);
    auto run = [&]() -> async::Task<void> {
        AsyncClient client(context_, UniqueFd(pair[0]));
        constexpr int64_t kCalls = 200;
        std::vector<async::Task<void>> calls;
        auto call = [&client](int64_t i) -> async::Task<void> {
            json::Object members{{"number", i}, {"filler", std::string(20'000, 'x')}};
            json::Object ok = co_await client.call_object("echo", std::move(members));
            EXPECT_EQ(ok.at("number").as_int64(), i);
        };
        for (int64_t i = 0; i < kCalls; ++i) calls.push_back(call(i));
        auto answer = [&]() -> async::Task<void> {
            async::Descriptor shim(context_, std::move(theirs));
            for (int64_t i = 0; i < kCalls;) {
                std::optional<Message> message = receive_message(shim.fd(), false);
                if (!message) {
                    co_await shim.wait_readable();
                    continue;
                }
                json::Value request = json::parse(message->text);
                EXPECT_EQ(request.at("number").as_int64(), i++);
                json::Object ok{{"number", request.at("number")}};
                json::Object text{{"id", request.at("id")}, {"ok", std::move(ok)}};
                EXPECT_EQ(send_message(shim.fd(), json::print(text), {}, true), SendResult::sent);
            }
        };
        calls.push_back(answer());
        co_await async::all_of(std::move(calls));
    };
    context_.block_on(run());
}

}  // namespace
}  // namespace berth::shim

int main(int argc, char** argv) {
    if (argc > 1 && std::strcmp(argv[1], "run") == 0) return berth::shim::run_main(argc - 1, argv + 1);
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
