// SPDX-License-Identifier: Apache-2.0
#include "engine/state/state_db.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "sys/file.h"

namespace berth::engine {
namespace {

class StateDbTest : public testing::Test {
  protected:
    StateDbTest() {
        char folder[] = "/tmp/berth-state-XXXXXX";
        EXPECT_NE(mkdtemp(folder), nullptr);
        folder_ = folder;
    }
    ~StateDbTest() override { sys::remove_tree_at(AT_FDCWD, folder_); }

    std::string path() const { return folder_ + "/engine.db"; }

    static void put(db::Database& database, const std::string& key, const std::string& value) {
        database.run("INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)", key, value);
    }
    static std::vector<std::string> keys(StateDb& database) {
        std::vector<std::string> result;
        database.read([&](db::Database& on) {
            db::Statement rows = on.prepare("SELECT key FROM meta ORDER BY key");
            while (rows.step()) result.push_back(rows.text(0));
        });
        return result;
    }

    std::string folder_;
    async::Context context_;
};

async::Task<void> write_key(StateDb& database, std::string key) {
    StateDb::Work work = [key](db::Database& on) {
        on.run("INSERT INTO meta(key, value) VALUES(?, '')", key);
        if (key == "bad") throw Error(ErrorKind::conflict, "bad key");
    };
    co_await database.write(std::move(work));
}

TEST_F(StateDbTest, WritesOfOneBatchFailAlone) {
    StateDb database(context_, path());
    std::vector<std::string> failures;
    auto attempt = [&](std::string key) -> async::Task<void> {
        return [](StateDb& on, std::string name, std::vector<std::string>& failed) -> async::Task<void> {
            std::exception_ptr error;
            try {
                co_await write_key(on, name);
            } catch (const Error&) {
                failed.push_back(name);
            }
        }(database, std::move(key), failures);
    };
    std::vector<async::Task<void>> tasks;
    for (const char* key : {"a", "bad", "b", "a"}) tasks.push_back(attempt(key));
    context_.block_on(async::all_of(std::move(tasks)));
    EXPECT_THAT(failures, testing::UnorderedElementsAre("bad", "a"));
    EXPECT_THAT(keys(database), testing::ElementsAre("a", "b"));
}

TEST_F(StateDbTest, CommittedWritesSurviveTheEndOfTheProcess) {
    pid_t child = fork();
    if (child == 0) {
        async::Context context;
        StateDb database(context, path());
        context.block_on(write_key(database, "kept"));
        _exit(0);  // as kill -9: no destructor runs
    }
    ASSERT_GT(child, 0);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_EQ(status, 0);
    StateDb database(context_, path());
    EXPECT_THAT(keys(database), testing::ElementsAre("kept"));
}

TEST_F(StateDbTest, WhatIsQueuedIsWrittenAtTheEnd) {
    {
        StateDb database(context_, path());
        database.write_later("test", [](db::Database& on) { put(on, "late", "1"); });
    }
    StateDb database(context_, path());
    EXPECT_THAT(keys(database), testing::ElementsAre("late"));
}

TEST_F(StateDbTest, ManyWritesKeepTheirOrder) {
    StateDb database(context_, path());
    std::vector<async::Task<void>> tasks;
    for (int i = 0; i < 200; ++i) {
        tasks.push_back([](StateDb& on, int number) -> async::Task<void> {
            StateDb::Work work = [number](db::Database& in) { put(in, "last", std::to_string(number)); };
            co_await on.write(std::move(work));
        }(database, i));
    }
    context_.block_on(async::all_of(std::move(tasks)));
    std::string last;
    database.read([&](db::Database& on) {
        db::Statement row = on.prepare("SELECT value FROM meta WHERE key='last'");
        if (row.step()) last = row.text(0);
    });
    EXPECT_EQ(last, "199");
}

}  // namespace
}  // namespace berth::engine
