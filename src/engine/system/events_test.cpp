// SPDX-License-Identifier: Apache-2.0
#include "engine/system/events.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "base/error.h"
#include "engine/state/state_db.h"

namespace berth::engine {
namespace {

class EventsTest : public testing::Test {
  protected:
    EventsTest() {
        char path[] = "/tmp/berth-events-XXXXXX";
        directory_ = mkdtemp(path);
    }
    ~EventsTest() override { std::filesystem::remove_all(directory_); }
    std::string path() const { return directory_ + "/engine.db"; }

    std::string directory_;
};

std::vector<std::string> actions(const std::vector<std::shared_ptr<const Event>>& events) {
    std::vector<std::string> result;
    for (const auto& event : events) result.push_back(event->action);
    return result;
}

async::Task<std::vector<std::string>> take(Events::Subscription& from, size_t count) {
    std::vector<std::string> result;
    while (result.size() < count) {
        Event event = co_await from.next();
        result.push_back(event.action);
    }
    co_return result;
}

TEST_F(EventsTest, SubscribersGetWhatComesAfterThemInOrder) {
    async::Context context;
    StateDb database(context, path());
    Events events(context, database);
    events.publish("container", "create", "a", {});
    auto first = events.subscribe();
    events.publish("container", "start", "a", {});
    auto second = events.subscribe();
    events.publish("container", "die", "a", {{"exitCode", "3"}});
    EXPECT_EQ(context.block_on(take(*first, 2)), (std::vector<std::string>{"start", "die"}));
    EXPECT_EQ(context.block_on(take(*second, 1)), (std::vector<std::string>{"die"}));
    EXPECT_EQ(actions(events.past({}, {})), (std::vector<std::string>{"create", "start", "die"}));
}

TEST_F(EventsTest, TimesStrictlyGrowAndBoundThePast) {
    async::Context context;
    StateDb database(context, path());
    Events events(context, database);
    for (int i = 0; i < 100; ++i) events.publish("image", std::to_string(i), "x", {});
    auto all = events.past({}, {});
    ASSERT_EQ(all.size(), 100u);
    for (size_t i = 1; i < all.size(); ++i) EXPECT_LT(all[i - 1]->time_ns, all[i]->time_ns);
    EXPECT_EQ(actions(events.past(all[97]->time_ns, all[98]->time_ns)),
              (std::vector<std::string>{"97", "98"}));
}

TEST_F(EventsTest, ThePastOutlivesTheDaemonAndIsBounded) {
    std::map<std::string, std::string> attributes{{"name", "web"}, {"quote", "\"'\n"}};
    for (int run = 0; run < 2; ++run) {
        async::Context context;
        StateDb database(context, path());
        Events events(context, database);
        if (run == 1) EXPECT_EQ(events.past({}, {}).size(), 800u);
        for (int i = 0; i < 800; ++i)
            events.publish("container", std::to_string(run * 800 + i), "id", attributes);
    }
    async::Context context;
    StateDb database(context, path());
    Events events(context, database);
    auto past = events.past({}, {});
    ASSERT_EQ(past.size(), 1024u);
    EXPECT_EQ(past.front()->action, "576");
    EXPECT_EQ(past.back()->action, "1599");
    EXPECT_EQ(past.back()->attributes, attributes);
    EXPECT_EQ(past.back()->type, "container");
    EXPECT_EQ(past.back()->id, "id");
}

TEST_F(EventsTest, AReaderThatLagsIsTold) {
    async::Context context;
    StateDb database(context, path());
    Events events(context, database);
    auto reader = events.subscribe();
    for (int i = 0; i < 4100; ++i) events.publish("container", std::to_string(i), "id", {});
    EXPECT_THROW(context.block_on(take(*reader, 1)), Error);
    EXPECT_EQ(context.block_on(take(*reader, 1)), (std::vector<std::string>{"4"}));
}

}  // namespace
}  // namespace berth::engine
