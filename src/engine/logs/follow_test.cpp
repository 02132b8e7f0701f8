// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/follow.h"

#include <algorithm>
#include <thread>

#include "engine/logs/log_fixture.h"

namespace berth::engine {
namespace {

using shim::LogFormat;
using shim::Stream;

class FollowTest : public LogTest {
  protected:
    // The loop always has something to wait for, so that it goes on from one block_on() to the next.
    FollowTest() : context_(2) { context_.spawn("never", never_.wait()); }

    /// Follows until the end, into text_; `seen` is called after each batch.
    static async::Task<void> drive(FollowTest* test, Follower* follower) {
        LogBatch batch(1000);
        while (true) {
            Follower::More more = co_await async::run_blocking([&] { return follower->pump(batch); });
            test->text_ += batch.view();
            if (more == Follower::More::ended) break;
            if (more == Follower::More::later) {
                test->quiet_ = true;
                if (test->on_quiet_) test->on_quiet_();
                co_await follower->wait();
                test->quiet_ = false;
            }
        }
    }
    void follow(Follower& follower) { context_.block_on(drive(this, &follower)); }

    async::Context context_;
    async::Event never_{context_};
    LogWatcher watcher_{context_};
    std::string text_;
    bool quiet_ = false;
    std::function<void()> on_quiet_;
};

TEST_F(FollowTest, HistoryThenWhatComes) {
    open(LogFormat::json_file);
    put(Stream::out, kNoon, "before");
    Follower follower(watcher_, location_, {});
    int step = 0;
    on_quiet_ = [&] {
        if (step < 5)
            put(Stream::err, kNoon + step, "line " + std::to_string(step));
        else
            follower.finish();
        ++step;
    };
    follow(follower);
    EXPECT_EQ(text_, expected({}));
    EXPECT_GE(step, 6);
}

TEST_F(FollowTest, ALogThatDoesNotExistYet) {
    Follower follower(watcher_, location_, {});
    int step = 0;
    on_quiet_ = [&] {
        // The second wait watches; the log is made after it.
        if (step == 1) {
            open(LogFormat::json_file);
            put(Stream::out, kNoon, "first");
        }
        if (text_.find("first") != std::string::npos) follower.finish();
        if (step == 0) follower.finisher();
        ++step;
    };
    follow(follower);
    EXPECT_EQ(text_, expected({}));
}

TEST_F(FollowTest, WhatWasWrittenBeforeTheEndIsGiven) {
    open(LogFormat::local);
    Follower follower(watcher_, location_, {});
    std::function<void()> finish = follower.finisher();
    bool done = false;
    on_quiet_ = [&] {
        if (done) return;
        done = true;
        for (int i = 0; i < 1000; ++i) put(Stream::out, kNoon + i, "last words " + std::to_string(i));
        finish();
    };
    follow(follower);
    EXPECT_EQ(text_, expected({}));
    finish();
}

/// A writer in a thread, as fast as it can, with rotation and compression; readers of several speeds.
TEST_F(FollowTest, RotationLosesAndDoublesNothing) {
    options_.max_size = 30'000;
    options_.max_file = 10'000;
    options_.compress = true;
    for (LogFormat format : {LogFormat::json_file, LogFormat::local}) {
        model_.clear();
        text_.clear();
        location_.path = options_.path = folder_ + (format == LogFormat::local ? "/local" : "/json");
        open(format);
        for (int i = 0; i < 500; ++i) put(Stream::out, kNoon + i, random_line());
        LogReadOptions options;
        options.framed = false;
        Follower follower(watcher_, location_, options);
        std::thread writer([&] {
            for (int i = 0; i < 5'000; ++i) {
                put(i % 3 == 0 ? Stream::err : Stream::out, kNoon + 1000 + i, std::to_string(i));
                if (i % 500 == 0) sink_->drain();
            }
            follower.finish();
        });
        follow(follower);
        writer.join();
        ASSERT_EQ(text_, expected(options));
    }
}

/// The follower sleeps while its file is rotated many times, compressed and removed.
TEST_F(FollowTest, WokenLate) {
    options_.max_size = 2'000;
    options_.compress = true;
    for (unsigned files : {2U, 3U, 50U}) {
        for (int burst : {10, 30, 60, 400}) {
            model_.clear();
            text_.clear();
            on_quiet_ = {};
            options_.max_file = files;
            location_.path = options_.path =
                folder_ + "/" + std::to_string(files) + "-" + std::to_string(burst);
            open(LogFormat::json_file);
            put(Stream::out, kNoon, "first");
            LogReadOptions options;
            options.framed = false;
            Follower follower(watcher_, location_, options);
            LogBatch batch;
            std::string text;
            while (follower.pump(batch) != Follower::More::later) text += batch.view();
            text += batch.view();
            for (int i = 0; i < burst; ++i) {
                put(Stream::out, kNoon + i, std::to_string(i));
                if (i % 20 == 0) sink_->drain();
            }
            sink_->drain();
            while (follower.pump(batch) != Follower::More::later) text += batch.view();
            text += batch.view();
            std::string all = expected(options);
            if (files == 50) {
                ASSERT_EQ(text, all) << burst;
            } else {
                // What rotation removed is lost, a piece in the middle; what is there comes once.
                size_t same = static_cast<size_t>(
                    std::mismatch(text.begin(), text.end(), all.begin(), all.end()).first - text.begin());
                if (same < text.size()) same = text.rfind('\n', same - 1) + 1;
                ASSERT_TRUE(all.ends_with(text.substr(same))) << files << " " << burst << "\n" << text;
                ASSERT_TRUE(text.ends_with(read_text())) << files << " " << burst;
            }
        }
    }
}

TEST_F(FollowTest, EmptiedInPlace) {
    options_.max_size = 2'000;
    open(LogFormat::json_file);
    LogReadOptions options;
    options.framed = false;
    Follower follower(watcher_, location_, options);
    LogBatch batch;
    std::string text;
    for (int i = 0; i < 100; ++i) {
        put(Stream::out, kNoon + i, std::to_string(i));
        while (follower.pump(batch) != Follower::More::later) text += batch.view();
        text += batch.view();
    }
    EXPECT_EQ(text, expected(options));
}

TEST_F(FollowTest, TailSinceAndStreams) {
    open(LogFormat::json_file);
    for (int i = 0; i < 100; ++i)
        put(i % 2 == 0 ? Stream::out : Stream::err, kNoon + i * kSecond, std::to_string(i));
    for (uint64_t tail : {0, 1, 7, 200}) {
        LogReadOptions options;
        options.tail = tail;
        options.out = false;
        options.since_ns = kNoon + 50 * kSecond;
        text_.clear();
        std::string history = expected(options);
        Follower follower(watcher_, location_, options);
        int step = 0;
        std::string later;
        on_quiet_ = [&] {
            if (step == 0)
                for (int i = 0; i < 10; ++i) {
                    put(i % 2 == 0 ? Stream::out : Stream::err, kNoon + 1000 * kSecond, "later");
                    if (i % 2 != 0) later += render(model_.back(), options);
                }
            if (text_.size() == history.size() + later.size()) follower.finish();
            ++step;
        };
        follow(follower);
        EXPECT_EQ(text_, history + later) << tail;
        model_.resize(100);
        sink_.reset();
        ASSERT_EQ(::truncate(location_.path.c_str(), 0), 0);
        open(LogFormat::json_file);
        for (const ModelRecord& record : std::vector(model_))
            sink_->append(record.stream, record.text, record.time_ns);
    }
}

TEST_F(FollowTest, UntilEndsIt) {
    open(LogFormat::json_file);
    put(Stream::out, kNoon, "one");
    LogReadOptions options;
    // In the past, then soon.
    options.until_ns = kNoon + kSecond;
    Follower past(watcher_, location_, options);
    follow(past);
    EXPECT_EQ(text_, expected(options));
    text_.clear();
    options.until_ns = now_ns() + 200'000'000;
    Follower soon(watcher_, location_, options);
    follow(soon);
    EXPECT_GT(now_ns(), options.until_ns);
    EXPECT_EQ(text_, expected(options));
}

TEST_F(FollowTest, ManyFollowersOfOneLog) {
    open(LogFormat::json_file);
    std::vector<Follower> followers;
    std::vector<std::string> texts(300);
    for (size_t i = 0; i < texts.size(); ++i) followers.emplace_back(watcher_, location_, LogReadOptions{});
    size_t ended = 0;
    auto drive_one = [](Follower* follower, std::string* text, size_t* count, async::Context* context,
                        size_t all) -> async::Task<void> {
        LogBatch batch;
        while (true) {
            Follower::More more = follower->pump(batch);
            *text += batch.view();
            if (more == Follower::More::ended) break;
            if (more == Follower::More::later) co_await follower->wait();
        }
        if (++*count == all) context->stop();
    };
    for (size_t i = 0; i < texts.size(); ++i)
        context_.spawn("follow", drive_one(&followers[i], &texts[i], &ended, &context_, texts.size()));
    std::thread writer([&] {
        for (int i = 0; i < 50; ++i) put(Stream::out, kNoon + i, std::to_string(i));
        for (Follower& follower : followers) follower.finish();
    });
    context_.run();
    writer.join();
    for (const std::string& text : texts) ASSERT_EQ(text, expected({}));
}

}  // namespace
}  // namespace berth::engine
