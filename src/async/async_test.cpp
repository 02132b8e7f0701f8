// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "async/context.h"
#include "async/descriptor.h"
#include "async/thread.h"
#include "base/error.h"

namespace berth::async {
namespace {

using namespace std::chrono_literals;

Task<int> number(int value) {
    co_return value;
}
Task<void> fail_with(std::string message) {
    co_await sleep_for(0ms);
    throw Error(ErrorKind::conflict, std::move(message));
}

/// Sets `ended` however it is left.
struct Leaving {
    bool& ended;
    ~Leaving() { ended = true; }
};

Task<void> wait_forever(Context& context, bool& ended) {
    Leaving leaving{ended};
    Event never(context);
    co_await never.wait();
}

TEST(ContextTest, BlockOnGivesTheValueOrTheException) {
    Context context;
    EXPECT_EQ(context.block_on(number(7)), 7);
    EXPECT_THROW(context.block_on(fail_with("no")), Error);
    EXPECT_EQ(context.block_on(number(8)), 8);
}

TEST(ContextTest, DestructionEndsCoroutinesWhereTheyStand) {
    bool spawned = false, child = false, pooled = false;
    {
        Context context;
        context.spawn("a", wait_forever(context, spawned));
        std::vector<Task<void>> tasks;
        tasks.push_back(wait_forever(context, child));
        context.spawn("b", all_of(std::move(tasks)));
        auto block = [](bool& ended) -> Task<void> {
            Leaving leaving{ended};
            auto work = [] { std::this_thread::sleep_for(10ms); };
            co_await run_blocking(std::move(work));
        };
        context.spawn("c", block(pooled));
        context.block_on(sleep_for(1ms));
    }
    EXPECT_TRUE(spawned);
    EXPECT_TRUE(child);
    EXPECT_TRUE(pooled);
}

TEST(ContextTest, StopEndsRunAndBlockOn) {
    bool ended = false;
    Context context;  // the task waits until its end
    context.post([&] { context.stop(); });
    context.spawn("waits", wait_forever(context, ended));
    context.run();
    EXPECT_FALSE(ended);
    context.post([&] { context.stop(); });
    try {
        context.block_on(wait_forever(context, ended));
        FAIL() << "block_on came back without a result";
    } catch (...) {
        EXPECT_TRUE(is_cancelled(std::current_exception()));
    }
}

TEST(ContextTest, PostsComeFromOtherThreads) {
    Context context;
    Event event(context);
    std::thread other([&] { context.post([&] { event.set(); }); });
    context.block_on(event.wait());
    other.join();
    EXPECT_TRUE(event.is_set());
}

TEST(ContextTest, SpawnedTasksCanBeCancelled) {
    Context context;
    bool left = false;
    std::exception_ptr how;
    auto cancel = context.spawn_cancellable(wait_forever(context, left),
                                            [&](std::exception_ptr error) { how = std::move(error); });
    context.post(cancel);
    context.run();
    EXPECT_TRUE(left);
    EXPECT_TRUE(is_cancelled(how));
    cancel();
}

TEST(ContextTest, RunBlockingRunsInThePool) {
    Context context;
    auto work = [](std::thread::id loop) -> Task<bool> {
        auto call = [loop] { return std::this_thread::get_id() != loop; };
        bool elsewhere = co_await run_blocking(std::move(call));
        co_return elsewhere&& std::this_thread::get_id() == loop;
    };
    EXPECT_TRUE(context.block_on(work(std::this_thread::get_id())));
    auto failing = []() -> Task<void> {
        auto call = [] { throw Error(ErrorKind::forbidden, "in the pool"); };
        co_await run_blocking(std::move(call));
    };
    EXPECT_THROW(context.block_on(failing()), Error);
}

TEST(ContextTest, RunBlockingWaitsForItsWorkWhenCancelled) {
    Context context;
    std::atomic<bool> finished = false;
    auto work = [](std::atomic<bool>& done) -> Task<void> {
        auto call = [&done] {
            std::this_thread::sleep_for(30ms);
            done = true;
        };
        co_await run_blocking(std::move(call));
        co_await sleep_for(1h);
    };
    EXPECT_THROW(context.block_on(with_timeout(1ms, "work", work(finished))), Error);
    EXPECT_TRUE(finished);
}

TEST(ContextTest, SignalsAreAwaited) {
    Context context;
    int got = 0;
    auto wait = [](int& number) -> Task<void> { number = co_await next_signal({SIGUSR1, SIGUSR2}); };
    auto raise_it = []() -> Task<void> {
        ::kill(::getpid(), SIGUSR1);
        co_return;
    };
    std::vector<Task<void>> tasks;
    tasks.push_back(wait(got));  // runs up to where it waits before the next is begun
    tasks.push_back(raise_it());
    context.block_on(all_of(std::move(tasks)));
    EXPECT_EQ(got, SIGUSR1);
}

TEST(TimeoutTest, CancelsTheTaskAndSaysWhat) {
    Context context;
    bool ended = false;
    try {
        context.block_on(with_timeout(20ms, "pulling", wait_forever(context, ended)));
        FAIL() << "no time-out";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::unavailable);
        EXPECT_STREQ(error.what(), "pulling: timed out after 20ms");
    }
    EXPECT_TRUE(ended);
}

TEST(TimeoutTest, PassesValuesAndErrors) {
    Context context;
    EXPECT_EQ(context.block_on(with_timeout(1h, "x", number(3))), 3);
    try {
        context.block_on(with_timeout(1h, "x", fail_with("its own")));
        FAIL() << "no error";
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "its own");
    }
}

TEST(TimeoutTest, TheInnerOfTwoIsTold) {
    Context context;
    bool ended = false;
    Task<void> inner = with_timeout(10ms, "inner", wait_forever(context, ended));
    try {
        context.block_on(with_timeout(1h, "outer", std::move(inner)));
        FAIL() << "no time-out";
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "inner: timed out after 10ms");
    }
}

TEST(TimeoutTest, CancellationReachesNestedTasks) {
    Context context;
    bool ended[3] = {};
    std::vector<Task<void>> inner;
    inner.push_back(wait_forever(context, ended[0]));
    inner.push_back(with_timeout(1h, "never", wait_forever(context, ended[1])));
    Task<void> nested = all_of(std::move(inner));
    std::vector<Task<void>> outer;
    outer.push_back(std::move(nested));
    outer.push_back(wait_forever(context, ended[2]));
    EXPECT_THROW(context.block_on(with_timeout(10ms, "outer", all_of(std::move(outer)))), Error);
    EXPECT_TRUE(ended[0] && ended[1] && ended[2]);
}

TEST(AllOfTest, RunsAtTheSameTimeAndWaitsForAll) {
    Context context;
    Event first(context), second(context);
    auto set_then_wait = [](Event& mine, Event& other) -> Task<void> {
        mine.set();
        co_await other.wait();
    };
    std::vector<Task<void>> tasks;
    tasks.push_back(set_then_wait(first, second));
    tasks.push_back(set_then_wait(second, first));
    context.block_on(all_of(std::move(tasks)));
    context.block_on(all_of({}));
}

TEST(AllOfTest, TheFirstFailureCancelsTheOthersAndIsThrown) {
    Context context;
    bool ended = false;
    std::vector<Task<void>> tasks;
    tasks.push_back(wait_forever(context, ended));
    tasks.push_back(fail_with("first"));
    try {
        context.block_on(all_of(std::move(tasks)));
        FAIL() << "no error";
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "first");
    }
    EXPECT_TRUE(ended);
}

TEST(AllOfTest, FailuresBeforeTheFirstWaitCount) {
    Context context;
    auto fail_at_once = []() -> Task<void> {
        throw Error(ErrorKind::conflict, "at once");
        co_return;
    };
    bool ended = false;
    std::vector<Task<void>> tasks;
    tasks.push_back(fail_at_once());
    tasks.push_back(wait_forever(context, ended));
    tasks.push_back(fail_at_once());
    EXPECT_THROW(context.block_on(all_of(std::move(tasks))), Error);
    EXPECT_TRUE(ended);
}

TEST(AllOfTest, KeepsTheLimit) {
    Context context;
    size_t running = 0, most = 0, done = 0;
    auto count = [](size_t& now, size_t& peak, size_t& total) -> Task<void> {
        peak = std::max(peak, ++now);
        for (int i = 0; i < 3; ++i) co_await sleep_for(0ms);
        --now;
        ++total;
    };
    std::vector<Task<void>> tasks;
    for (int i = 0; i < 20; ++i) tasks.push_back(count(running, most, done));
    context.block_on(all_of(std::move(tasks), 3));
    EXPECT_EQ(most, 3u);
    EXPECT_EQ(done, 20u);
}

TEST(EventTest, WakesAllAlsoWhenResetAtOnce) {
    Context context;
    Event event(context);
    int woken = 0;
    auto wait = [](Event& on, int& count) -> Task<void> {
        co_await on.wait();
        ++count;
    };
    context.spawn("1", wait(event, woken));
    context.spawn("2", wait(event, woken));
    context.post([&] {
        event.set();
        event.reset();
    });
    context.run();
    EXPECT_EQ(woken, 2);
    EXPECT_FALSE(event.is_set());
}

TEST(SemaphoreTest, FirstComeFirstServed) {
    Context context;
    Semaphore semaphore(context, 1);
    std::vector<int> order;
    auto hold = [](Semaphore& on, std::vector<int>& list, int name) -> Task<void> {
        Semaphore::Permit permit = co_await on.acquire();
        list.push_back(name);
        co_await sleep_for(0ms);
    };
    std::vector<Task<void>> tasks;
    for (int i = 0; i < 5; ++i) tasks.push_back(hold(semaphore, order, i));
    context.block_on(all_of(std::move(tasks)));
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(SemaphoreTest, ACancelledWaiterLosesNoPermit) {
    Context context;
    Semaphore semaphore(context, 1);
    auto take = [](Semaphore& on) -> Task<void> { Semaphore::Permit permit = co_await on.acquire(); };
    {
        Semaphore::Permit held = context.block_on(semaphore.acquire());
        EXPECT_THROW(context.block_on(with_timeout(5ms, "permit", take(semaphore))), Error);
    }
    context.block_on(with_timeout(10s, "permit", take(semaphore)));
}

TEST(AnyOfTest, TheFirstEndsTheOthers) {
    Context context;
    bool ended = false;
    auto race = [&]() -> Task<size_t> {
        std::vector<Task<void>> tasks;
        tasks.push_back(wait_forever(context, ended));
        tasks.push_back(sleep_for(1ms));
        size_t first = co_await any_of(std::move(tasks));
        co_return first;
    };
    EXPECT_EQ(context.block_on(race()), 1U);
    EXPECT_TRUE(ended);
    ended = false;
    auto failing = [&]() -> Task<size_t> {
        std::vector<Task<void>> tasks;
        tasks.push_back(fail_with("first"));
        tasks.push_back(wait_forever(context, ended));
        size_t first = co_await any_of(std::move(tasks));
        co_return first;
    };
    EXPECT_THROW(context.block_on(failing()), Error);
    EXPECT_TRUE(ended);
}

Task<std::thread::id> thread_of(std::chrono::milliseconds pause) {
    co_await sleep_for(pause);
    co_return std::this_thread::get_id();
}

TEST(RunOnTest, RunsThereAndComesBack) {
    Context home;
    Thread other("other");
    auto task = [&]() -> Task<void> {
        std::thread::id here = std::this_thread::get_id();
        std::thread::id there = co_await run_on(other.context(), thread_of(0ms));
        EXPECT_NE(there, here);
        EXPECT_EQ(std::this_thread::get_id(), here);
        std::string failure;
        try {
            co_await run_on(other.context(), fail_with("there"));
        } catch (const Error& error) {
            failure = error.what();
        }
        EXPECT_EQ(failure, "there");
        EXPECT_EQ(std::this_thread::get_id(), here);
        std::thread::id same = co_await run_on(home, thread_of(0ms));
        EXPECT_EQ(same, here);
    };
    home.block_on(task());
}

Task<void> hop_forever(Context& other, bool& ended) {
    Leaving leaving{ended};
    auto there = [](Context& context) -> Task<void> {
        Event never(context);
        co_await never.wait();
    };
    co_await run_on(other, there(other));
}

TEST(RunOnTest, CancellationPasses) {
    Context home;
    Thread other("other");
    bool ended = false;
    auto race = [&]() -> Task<size_t> {
        std::vector<Task<void>> tasks;
        tasks.push_back(hop_forever(other.context(), ended));
        tasks.push_back(sleep_for(5ms));
        size_t first = co_await any_of(std::move(tasks));
        co_return first;
    };
    EXPECT_EQ(home.block_on(race()), 1U);
    EXPECT_TRUE(ended);
}

TEST(RunOnTest, AContextThatEndsCancelsWhoWaitsForIt) {
    Context home;
    auto other = std::make_unique<Thread>("other");
    bool ended = false;
    std::exception_ptr failure;
    auto cancel = home.spawn_cancellable(hop_forever(other->context(), ended),
                                         [&](std::exception_ptr error) { failure = error; });
    home.block_on(sleep_for(5ms));
    EXPECT_FALSE(ended);
    other.reset();
    home.run();
    EXPECT_TRUE(ended);
    EXPECT_TRUE(is_cancelled(failure));
}

TEST(RunOnTest, AContextThatWaitsMayEndFirst) {
    Thread other("other");
    bool ended = false;
    {
        Context home;
        home.spawn("hop", hop_forever(other.context(), ended));
        home.block_on(sleep_for(5ms));
    }
    EXPECT_TRUE(ended);
}

TEST(DescriptorTest, WaitsForPipesAndProcesses) {
    Context context;
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    Descriptor read(context, UniqueFd(fds[0]));
    auto write = std::make_unique<Descriptor>(context, UniqueFd(fds[1]));
    auto task = [&]() -> Task<void> {
        co_await write->wait_writable();
        EXPECT_EQ(::write(write->fd(), "x", 1), 1);
        co_await read.wait_readable();
        char byte = 0;
        EXPECT_EQ(::read(read.fd(), &byte, 1), 1);
        EXPECT_EQ(byte, 'x');
        auto close = [](std::unique_ptr<Descriptor> end) -> Task<void> {
            co_await sleep_for(1ms);
            end.reset();
        };
        std::vector<Task<void>> both;
        both.push_back(read.wait_hangup());
        both.push_back(close(std::move(write)));
        co_await all_of(std::move(both));
        EXPECT_EQ(::read(read.fd(), &byte, 1), 0);
        UniqueFd again = read.release();
        EXPECT_TRUE(again);
        EXPECT_EQ(read.fd(), -1);
    };
    context.block_on(task());
    EXPECT_THROW(context.block_on(read.wait_readable()), Error);
}

TEST(DescriptorTest, CloseEndsAWait) {
    Context context;
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    UniqueFd write(fds[1]);
    auto read = std::make_unique<Descriptor>(context, UniqueFd(fds[0]));
    auto wait = [](Descriptor& descriptor) -> Task<void> { co_await descriptor.wait_readable(); };
    bool failed = false;
    auto cancel =
        context.spawn_cancellable(wait(*read), [&](std::exception_ptr error) { failed = error != nullptr; });
    context.block_on(sleep_for(1ms));
    read.reset();
    context.run();
    EXPECT_TRUE(failed);
}

}  // namespace
}  // namespace berth::async
