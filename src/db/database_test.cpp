// SPDX-License-Identifier: Apache-2.0
#include "db/database.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace berth::db {
namespace {

constexpr Migration kMigrations[] = {
    {1,
     "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
     "CREATE TABLE part (item INTEGER NOT NULL REFERENCES item(id), size INTEGER);"},
    {2, "ALTER TABLE item ADD COLUMN label TEXT; UPDATE item SET label = 'old:' || name;"},
    // A table made anew, that another one refers to.
    {5,
     "CREATE TABLE item_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, label TEXT) STRICT;"
     "INSERT INTO item_new SELECT id, name, label FROM item;"
     "DROP TABLE item; ALTER TABLE item_new RENAME TO item;"},
};

class DatabaseTest : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/berth-db-XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        dir_ = name;
    }
    void TearDown() override {
        for (const char* file : {"/db", "/db-wal", "/db-shm"}) ::unlink((dir_ + file).c_str());
        EXPECT_EQ(::rmdir(dir_.c_str()), 0);
    }
    std::string file() const { return dir_ + "/db"; }
    Database open(size_t versions = std::size(kMigrations)) const {
        return Database(file(), Sync::full, std::span(kMigrations).first(versions));
    }

    std::string dir_;
};

template <typename Body>
std::optional<Error> failure_of(Body&& body) {
    try {
        body();
    } catch (const Error& error) {
        return error;
    }
    return std::nullopt;
}

int64_t number(Database& database, std::string_view sql) {
    Statement statement = database.prepare(sql);
    return statement.step() ? statement.integer(0) : -1;
}

std::string word(Database& database, std::string_view sql) {
    Statement statement = database.prepare(sql);
    return statement.step() ? statement.text(0) : "";
}

TEST_F(DatabaseTest, BindsAndReads) {
    Database database = open();
    struct stat status{};
    ASSERT_EQ(::stat(file().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600u);
    EXPECT_EQ(database.path(), file());

    std::string text("with\0zero", 9);
    EXPECT_EQ(database.run("INSERT INTO item VALUES (?, ?, ?)", int64_t{1} << 40, text, nullptr), 1);
    EXPECT_EQ(database.last_insert_id(), int64_t{1} << 40);
    database.run("INSERT INTO item VALUES (?, ?, ?)", 2, std::string_view(), std::optional<std::string>("x"));
    database.run("INSERT INTO part VALUES (?, ?), (2, ?)", uint64_t{2}, true, std::optional<int64_t>());

    Statement rows = database.prepare("SELECT id, name, label FROM item WHERE id >= ? ORDER BY id").with(2);
    ASSERT_TRUE(rows.step());
    EXPECT_EQ(rows.integer(0), 2);
    EXPECT_EQ(rows.text(1), "");
    EXPECT_FALSE(rows.is_null(1));
    EXPECT_EQ(rows.optional_text(2), "x");
    ASSERT_TRUE(rows.step());
    EXPECT_EQ(rows.integer(0), int64_t{1} << 40);
    EXPECT_EQ(rows.text(1), text);
    EXPECT_EQ(rows.optional_text(2), std::nullopt);
    EXPECT_FALSE(rows.step());
    EXPECT_TRUE(rows.step()) << "after the end it starts anew";
    rows.with(int64_t{1} << 41);
    EXPECT_FALSE(rows.step());
    EXPECT_EQ(database.run("UPDATE part SET size = 3"), 2);
}

TEST_F(DatabaseTest, NestedUseOfOneText) {
    Database database = open();
    for (int i = 1; i <= 3; ++i)
        database.run("INSERT INTO item (id, name) VALUES (?, ?)", i, std::to_string(i));
    constexpr std::string_view kSql = "SELECT id FROM item WHERE id > ? ORDER BY id";
    std::string seen;
    Statement outer = database.prepare(kSql).with(0);
    while (outer.step()) {
        Statement inner = database.prepare(kSql).with(outer.integer(0));
        while (inner.step()) seen += fmt::format("{}{} ", outer.integer(0), inner.integer(0));
    }
    EXPECT_EQ(seen, "12 13 23 ");
}

TEST_F(DatabaseTest, AStatementLeftOnARowEnds) {
    Database reader = open(), writer = open();
    writer.run("INSERT INTO item (name) VALUES ('a'), ('b')");
    EXPECT_EQ(word(reader, "SELECT name FROM item ORDER BY id"), "a");
    writer.run("DELETE FROM item WHERE name = 'a'");
    EXPECT_EQ(word(reader, "SELECT name FROM item ORDER BY id"), "b") << "the first read is over";
    Transaction transaction(reader);
    EXPECT_EQ(reader.run("UPDATE item SET label = 'x'"), 1);
    transaction.commit();
}

TEST_F(DatabaseTest, ProgrammingErrors) {
    Database database = open();
    auto message = [&](auto&& body) {
        std::optional<Error> error = failure_of(body);
        EXPECT_TRUE(error && error->kind() == ErrorKind::internal);
        return std::string(error ? error->what() : "");
    };
    EXPECT_THAT(message([&] { (void)database.prepare("SELEC 1"); }),
                testing::HasSubstr("syntax error in \"SELEC 1\""));
    EXPECT_THAT(message([&] { (void)database.prepare("SELECT 1; SELECT 2"); }),
                testing::HasSubstr("not one statement"));
    EXPECT_THAT(message([&] { (void)database.prepare(" "); }), testing::HasSubstr("not one statement"));
    EXPECT_THAT(message([&] { database.run("SELECT ?, ?", 1); }), testing::HasSubstr("1 parameters given"));
    EXPECT_THAT(message([&] { database.run("SELECT 1", 1); }), testing::HasSubstr("1 parameters given"));
    EXPECT_THAT(message([&] { database.execute("DROP TABLE missing"); }),
                testing::StartsWith(file() + ": no such table"));
}

TEST_F(DatabaseTest, ConstraintsAreConflicts) {
    Database database = open();
    database.run("INSERT INTO item (id, name) VALUES (1, 'a')");
    for (std::string_view sql : {"INSERT INTO item (name) VALUES ('a')",
                                 "INSERT INTO item (name) VALUES (NULL)", "INSERT INTO part VALUES (7, 0)"}) {
        std::optional<Error> error = failure_of([&] { database.run(sql); });
        ASSERT_TRUE(error) << sql;
        EXPECT_EQ(error->kind(), ErrorKind::conflict);
        EXPECT_THAT(error->what(), testing::HasSubstr("constraint failed"));
    }
    // The statement is usable after its error.
    database.run("INSERT INTO item (name) VALUES (?)", "b");
    EXPECT_EQ(number(database, "SELECT count(*) FROM item"), 2);
    database.run("INSERT INTO part VALUES (1, 0)");
    EXPECT_TRUE(failure_of([&] { database.run("DELETE FROM item WHERE id = 1"); })) << "foreign keys are on";
}

TEST_F(DatabaseTest, MigratesFromEachVersion) {
    for (size_t from = 0; from <= std::size(kMigrations); ++from) {
        SCOPED_TRACE(from);
        {
            Database old = open(from);
            EXPECT_EQ(number(old, "PRAGMA user_version"), from == 0 ? 0 : kMigrations[from - 1].version);
            if (from > 0) {
                old.run("INSERT INTO item (id, name) VALUES (1, 'a')");
                old.run("INSERT INTO part VALUES (1, 5)");
            }
        }
        {
            Database database = open();
            EXPECT_EQ(number(database, "PRAGMA user_version"), 5);
            EXPECT_EQ(number(database, "PRAGMA foreign_keys"), 1);
            EXPECT_EQ(number(database, "SELECT count(*) FROM item JOIN part ON item = id"),
                      from == 0 ? 0 : 1);
            EXPECT_EQ(word(database, "SELECT label FROM item"), from == 1 ? "old:a" : "");
        }
        ::unlink(file().c_str());
    }
}

TEST_F(DatabaseTest, AFailedMigrationLeavesTheOldVersion) {
    open(2).run("INSERT INTO item (id, name) VALUES (1, 'a')");
    const Migration bad[] = {kMigrations[0], kMigrations[1], {3, "DELETE FROM item; SELECT nonsense"}};
    std::optional<Error> error = failure_of([&] { Database(file(), Sync::full, bad); });
    ASSERT_TRUE(error);
    EXPECT_THAT(error->what(), testing::StartsWith("migrating " + file() + " to version 3: "));
    const Migration dangling[] = {kMigrations[0], kMigrations[1], {3, "INSERT INTO part VALUES (9, 9)"}};
    EXPECT_THAT(failure_of([&] { Database(file(), Sync::full, dangling); })->what(),
                testing::HasSubstr("rows refer to rows that are not there"));
    Database database = open(2);
    EXPECT_EQ(number(database, "PRAGMA user_version"), 2);
    EXPECT_EQ(number(database, "SELECT count(*) FROM item"), 1);
}

TEST_F(DatabaseTest, ANewerVersionIsRefused) {
    open();
    std::optional<Error> error = failure_of([&] { open(2); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), ErrorKind::unavailable);
    EXPECT_EQ(error->what(),
              file() +
                  ": its schema has version 5, and this program knows none above 2: use the version of "
                  "berth that wrote it or a newer one");
}

TEST_F(DatabaseTest, ManyOpenANewDatabaseAtOnce) {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 6; ++i)
        threads.emplace_back([&, i] {
            Database database = open();
            database.run("INSERT INTO item (name) VALUES (?)", std::to_string(i));
        });
    threads.clear();
    Database database = open();
    EXPECT_EQ(number(database, "SELECT count(*) FROM item"), 6);
}

TEST_F(DatabaseTest, Settings) {
    Database database = open();
    EXPECT_EQ(word(database, "PRAGMA journal_mode"), "wal");
    EXPECT_EQ(number(database, "PRAGMA synchronous"), 2);
    EXPECT_EQ(number(database, "PRAGMA busy_timeout"), 30'000);
    EXPECT_EQ(number(database, "PRAGMA mmap_size"), 0);
    Database fast(file(), Sync::off, kMigrations);
    EXPECT_EQ(number(fast, "PRAGMA synchronous"), 0);
}

TEST_F(DatabaseTest, TransactionsRollBackUnlessCommitted) {
    Database database = open();
    auto names = [&] {
        return word(database,
                    "SELECT coalesce(group_concat(name, ''), '') FROM (SELECT name FROM item ORDER BY name)");
    };
    auto insert = [&](std::string_view name) { database.run("INSERT INTO item (name) VALUES (?)", name); };
    {
        Transaction transaction(database);
        insert("x");
    }
    EXPECT_EQ(names(), "");
    {
        Transaction outer(database);
        insert("a");
        {
            Transaction lost(database);
            insert("x");
            Transaction also_lost(database);
            insert("y");
            also_lost.commit();
        }
        {
            Transaction kept(database);
            insert("b");
            kept.commit();
        }
        {
            Transaction wrong(database);
            EXPECT_THAT(failure_of([&] { outer.commit(); })->what(), testing::HasSubstr("out of order"));
        }
        outer.commit();
        EXPECT_TRUE(failure_of([&] { outer.commit(); }));
    }
    EXPECT_EQ(names(), "ab");
    {
        Transaction outer(database);
        Transaction inner(database);
        insert("z");
        inner.commit();
    }
    EXPECT_EQ(names(), "ab");
}

TEST_F(DatabaseTest, AReadTransactionSeesOneState) {
    Database database = open(), other = open();
    auto count = [&] {
        Statement rows = database.prepare("SELECT count(*) FROM item");
        rows.step();
        int64_t found = rows.integer(0);
        return found;
    };
    {
        ReadTransaction reading(database);
        EXPECT_EQ(count(), 0);
        other.run("INSERT INTO item(name) VALUES ('one')");
        EXPECT_EQ(count(), 0);
    }
    EXPECT_EQ(count(), 1);
    // In a transaction it ends nothing.
    Transaction transaction(database);
    database.run("INSERT INTO item(name) VALUES ('two')");
    {
        ReadTransaction reading(database);
        EXPECT_EQ(count(), 2);
    }
    transaction.commit();
    EXPECT_EQ(count(), 2);
}

TEST_F(DatabaseTest, ABusyDatabaseIsUnavailable) {
    Database one = open(), two = open();
    two.set_busy_timeout(std::chrono::milliseconds(1));
    Transaction transaction(one);
    one.run("INSERT INTO item (name) VALUES ('a')");
    std::optional<Error> error = failure_of([&] { Transaction other(two); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), ErrorKind::unavailable);
    EXPECT_EQ(error->code(), EBUSY);
    EXPECT_EQ(error->what(), file() + ": database is locked");
    EXPECT_EQ(number(two, "SELECT count(*) FROM item"), 0) << "readers don't wait, and see what is committed";
    transaction.commit();
    Transaction other(two);
    EXPECT_EQ(number(two, "SELECT count(*) FROM item"), 1);
}

TEST_F(DatabaseTest, TwoWritersWaitForEachOther) {
    Database one = open();
    auto count_up = [&](Database& database) {
        for (int i = 0; i < 50; ++i) {
            Transaction transaction(database);
            int64_t highest = number(database, "SELECT coalesce(max(id), 0) FROM item");
            database.run("INSERT INTO item (id, name) VALUES (?, ?)", highest + 1, std::to_string(highest));
            transaction.commit();
        }
    };
    {
        std::jthread other([&] {
            Database two(file(), Sync::off, kMigrations);
            count_up(two);
        });
        Database fast(file(), Sync::off, kMigrations);
        count_up(fast);
    }
    EXPECT_EQ(number(one, "SELECT count(*) FROM item"), 100);
}

TEST_F(DatabaseTest, ACorruptFileIsNamed) {
    {
        UniqueFd fd(::open(file().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        std::string text(8192, 'x');
        ASSERT_EQ(::write(fd.get(), text.data(), text.size()), 8192);
    }
    std::optional<Error> error = failure_of([&] { open(); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), ErrorKind::unavailable);
    EXPECT_EQ(error->what(), file() + ": file is not a database");
    EXPECT_THAT(failure_of([&] { Database("/nonexistent/db", Sync::full, kMigrations); })->what(),
                testing::StartsWith("create /nonexistent/db: no such file"));
}

TEST_F(DatabaseTest, WhatIsCommittedOutlivesTheProcess) {
    open();
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    UniqueFd read_end(ends[0]), write_end(ends[1]);
    pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        Database database = open();
        for (int i = 0; i < 20; ++i) {
            Transaction transaction(database);
            database.run("INSERT INTO item (name) VALUES (?)", std::to_string(i));
            database.run("INSERT INTO part VALUES (?, 1)", database.last_insert_id());
            transaction.commit();
        }
        Transaction unfinished(database);
        database.run("INSERT INTO item (name) VALUES ('half')");
        (void)!::write(write_end.get(), "x", 1);
        while (true) ::pause();
    }
    write_end.reset();
    char byte = 0;
    ASSERT_EQ(::read(read_end.get(), &byte, 1), 1);
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);

    Database database = open();
    EXPECT_EQ(number(database, "SELECT count(*) FROM item JOIN part ON item = id"), 20);
    EXPECT_EQ(number(database, "SELECT count(*) FROM item"), 20);
    EXPECT_EQ(word(database, "PRAGMA integrity_check"), "ok");
}

/// The database on a file system of 512 KiB, in a mount namespace of this thread's own.
class FullDiskTest : public DatabaseTest {
  protected:
    void SetUp() override {
        DatabaseTest::SetUp();
        if (::unshare(CLONE_NEWNS) < 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0)
            GTEST_SKIP() << "needs root";
        ASSERT_EQ(::mount("tmpfs", dir_.c_str(), "tmpfs", 0, "size=512k"), 0);
        mounted_ = true;
    }
    void TearDown() override {
        if (mounted_) ::umount2(dir_.c_str(), MNT_DETACH);
        DatabaseTest::TearDown();
    }
    bool mounted_ = false;
};

TEST_F(FullDiskTest, KeepsWhatWasCommitted) {
    Database database = open();
    std::string large(20'000, 'x');
    int committed = 0;
    std::optional<Error> error = failure_of([&] {
        while (committed < 1000) {
            Transaction transaction(database);
            database.run("INSERT INTO item (id, name) VALUES (?, ?)", committed + 1,
                         large + std::to_string(committed));
            transaction.commit();
            ++committed;
        }
    });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), ErrorKind::unavailable);
    EXPECT_EQ(error->code(), ENOSPC);
    EXPECT_EQ(error->what(), file() + ": database or disk is full");
    EXPECT_GT(committed, 3);
    EXPECT_EQ(number(database, "SELECT count(*) FROM item"), committed);

    // Usable again once there is room.
    EXPECT_EQ(word(database, "PRAGMA integrity_check"), "ok");
    ASSERT_EQ(::mount(nullptr, dir_.c_str(), nullptr, MS_REMOUNT, "size=2m"), 0);
    Transaction transaction(database);
    database.run("INSERT INTO item (name) VALUES (?)", large);
    transaction.commit();
    EXPECT_EQ(number(database, "SELECT count(*) FROM item"), committed + 1);
}

}  // namespace
}  // namespace berth::db
