// SPDX-License-Identifier: Apache-2.0
#include "store/blobs.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <random>
#include <thread>

#include "store/ingest.h"
#include "store/store_fixture.h"
#include "sys/file.h"

namespace berth::store {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace {

constexpr std::array kTestMigrations = {
    db::Migration{.version = 1, .sql = kBlobTables},
    db::Migration{.version = 2, .sql = "CREATE TABLE roots (digest TEXT PRIMARY KEY)"},
};

/// A blob store on its own, as the registry has it.
struct Opened {
    Metadata metadata;
    BlobStore blobs;

    explicit Opened(const std::string& root)
        : metadata(db::Database(root + "/state.db", db::Sync::full, kTestMigrations)),
          blobs(metadata, root, "SELECT digest FROM roots") {}
    void refer(const Digest& digest) {
        metadata.write([&](db::Database& database) {
            database.run("INSERT OR IGNORE INTO roots VALUES (?)", digest.text());
        });
    }
    void forget(const Digest& digest) {
        metadata.write([&](db::Database& database) {
            database.run("DELETE FROM roots WHERE digest = ?", digest.text());
        });
    }
};

std::string noise(size_t size, uint32_t seed) {
    std::mt19937 random(seed);
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random());
    return text;
}

std::string file_of(const std::string& root, const Digest& digest) {
    return fmt::format("{}/blobs/{}/{}", root, digest.algorithm(), digest.hex());
}

std::string read_prefix_to_end(Ingest& ingest) {
    std::string text;
    std::array<std::byte, 1000> buffer;
    while (size_t size = ingest.read_prefix(text.size(), buffer))
        text.append(reinterpret_cast<const char*>(buffer.data()), size);
    return text;
}

std::string message_of(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

class Blobs : public testing::Test {
  protected:
    void SetUp() override { open(); }
    void open() { store = std::make_unique<Opened>(folder.path()); }
    void reopen() {
        store.reset();
        open();
    }
    BlobStore& blobs() { return store->blobs; }

    TemporaryFolder folder;
    std::unique_ptr<Opened> store;
};

}  // namespace

TEST_F(Blobs, PutsAndReads) {
    Lease lease = blobs().lease("test");
    BlobInfo info = blobs().put(lease, "hello");
    EXPECT_EQ(info.digest, Digest::of("hello"));
    EXPECT_EQ(info.size, 5u);
    EXPECT_EQ(blobs().read(info.digest), "hello");
    EXPECT_EQ(read_text(file_of(folder.path(), info.digest)), "hello");
    EXPECT_EQ(blobs().find(info.digest)->size, 5u);
    EXPECT_EQ(blobs().total_bytes(), 5u);
    EXPECT_EQ(blobs().put(lease, "hello").created_ns, info.created_ns);
    EXPECT_THAT(names_in(folder.path() + "/ingest"), IsEmpty());
    EXPECT_FALSE(blobs().find(Digest::of("other")));
    EXPECT_THAT(message_of([&] { blobs().open(Digest::of("other")); }), HasSubstr("not found"));
    EXPECT_THAT(message_of([&] { blobs().read(info.digest, 4); }), HasSubstr("more than 4"));
}

TEST_F(Blobs, LeaseProtectsUntilItEnds) {
    Digest kept, held;
    {
        Lease lease = blobs().lease("test");
        kept = blobs().put(lease, "kept").digest;
        held = blobs().put(lease, "held").digest;
        store->refer(kept);
        EXPECT_EQ(blobs().collect(0s).blobs, 0u);
    }
    CollectResult result = blobs().collect(0s);
    EXPECT_EQ(result.blobs, 1u);
    EXPECT_EQ(result.bytes, 4u);
    EXPECT_TRUE(blobs().find(kept));
    EXPECT_FALSE(blobs().find(held));
    EXPECT_FALSE(sys::exists(file_of(folder.path(), held)));
    EXPECT_THAT(names_in(folder.path() + "/leases"), IsEmpty());

    Lease again = blobs().lease("again");
    EXPECT_FALSE(blobs().protect(again, held));
    ASSERT_TRUE(blobs().protect(again, kept));
    store->forget(kept);
    EXPECT_EQ(blobs().collect(0s).blobs, 0u);
    EXPECT_FALSE(blobs().drop(kept));
}

TEST_F(Blobs, DropsAReferencedBlobThatNoLeaseHolds) {
    Digest digest;
    {
        Lease lease = blobs().lease("test");
        digest = blobs().put(lease, "layer").digest;
        store->refer(digest);
        EXPECT_FALSE(blobs().drop(digest));
    }
    EXPECT_TRUE(blobs().drop(digest));
    EXPECT_FALSE(blobs().drop(digest));
    EXPECT_FALSE(blobs().find(digest));
}

TEST_F(Blobs, AnOpenBlobStaysReadable) {
    Digest digest;
    {
        Lease lease = blobs().lease("test");
        digest = blobs().put(lease, "still here").digest;
    }
    Blob open = blobs().open(digest);
    EXPECT_EQ(blobs().collect(0s).blobs, 1u);
    EXPECT_EQ(sys::read_all(open.fd.get(), "blob"), "still here");
}

TEST_F(Blobs, RangesComeInAnyOrderAndAreReadInTheirs) {
    Lease lease = blobs().lease("test");
    std::string content = noise(3'000'000, 1);
    std::unique_ptr<Ingest> ingest = blobs().ingest(lease, "key", content.size(), 0ms);
    std::string read;
    std::thread reader([&] { read = read_prefix_to_end(*ingest); });
    auto write = [&](size_t from, size_t to) {
        ingest->write_at(from, sys::bytes_of(std::string_view(content).substr(from, to - from)));
    };
    write(2'000'000, 3'000'000);
    EXPECT_EQ(ingest->prefix(), 0u);
    EXPECT_THAT(ingest->have(), ElementsAre(Range{2'000'000, 3'000'000}));
    write(0, 1'000'000);
    EXPECT_EQ(ingest->prefix(), 1'000'000u);
    EXPECT_THAT(message_of([&] { ingest->commit(Digest::of(content), false); }),
                HasSubstr("only 1000000 of 3000000"));
    write(1'000'000, 2'000'000);
    reader.join();
    EXPECT_EQ(read, content);
    EXPECT_THAT(message_of([&] { ingest->write_at(2'999'999, sys::bytes_of("xx")); }),
                HasSubstr("announced"));
    EXPECT_THAT(message_of([&] { ingest->commit(Digest::of("other"), true); }), HasSubstr("has the digest"));
    EXPECT_EQ(ingest->commit(Digest::of(content), true).size, content.size());
    EXPECT_EQ(blobs().read(Digest::of(content)), content);
    EXPECT_THAT(names_in(folder.path() + "/ingest"), IsEmpty());
}

TEST_F(Blobs, AReaderLearnsOfFailure) {
    Lease lease = blobs().lease("test");
    std::unique_ptr<Ingest> ingest = blobs().ingest(lease, "key", 10, 0ms);
    std::string problem;
    std::thread reader([&] { problem = message_of([&] { read_prefix_to_end(*ingest); }); });
    ingest->write_at(0, sys::bytes_of("12345"));
    ingest->fail(std::make_exception_ptr(Error(ErrorKind::unavailable, "connection lost")));
    reader.join();
    EXPECT_EQ(problem, "connection lost");
    ingest->restart();
    EXPECT_EQ(ingest->prefix(), 0u);
    ingest->write_at(0, sys::bytes_of("0123456789"));
    EXPECT_EQ(read_prefix_to_end(*ingest), "0123456789");
    ingest->discard();
    EXPECT_FALSE(blobs().has_ingest("key"));
}

TEST_F(Blobs, ResumesWithHoles) {
    std::string content = noise(100'000, 2);
    {
        Lease lease = blobs().lease("first");
        std::unique_ptr<Ingest> ingest = blobs().ingest(lease, "key", content.size(), 0ms);
        ingest->write_at(0, sys::bytes_of(content.substr(0, 10'000)));
        ingest->write_at(50'000, sys::bytes_of(content.substr(50'000)));
    }
    reopen();
    EXPECT_EQ(blobs().collect(1h).bytes, 0u);
    Lease lease = blobs().lease("second");
    std::unique_ptr<Ingest> ingest = blobs().ingest(lease, "key", content.size(), 0ms);
    EXPECT_THAT(ingest->have(), ElementsAre(Range{0, 10'000}, Range{50'000, 100'000}));
    std::array<std::byte, 20'000> buffer;
    EXPECT_EQ(ingest->read_prefix(0, buffer), 10'000u);
    ingest->write_at(10'000, sys::bytes_of(content.substr(10'000, 40'000)));
    EXPECT_EQ(ingest->commit(Digest::of(content), true).size, content.size());
}

TEST_F(Blobs, WhatWasWrittenInOrderSurvivesAKill) {
    store.reset();
    sys::Child child = in_child([&] {
        Opened own(folder.path());
        Lease lease = own.blobs.lease("upload");
        std::unique_ptr<Ingest> ingest = own.blobs.ingest(lease, "upload", std::nullopt, 0ms);
        ingest->write_at(0, sys::bytes_of("first "));
        ingest->write_at(6, sys::bytes_of("second"));
        ::raise(SIGKILL);
    });
    EXPECT_EQ(child.wait().signal, SIGKILL);
    open();
    Lease lease = blobs().lease("upload");
    std::unique_ptr<Ingest> ingest = blobs().ingest(lease, "upload", std::nullopt, 0ms);
    EXPECT_EQ(ingest->prefix(), 12u);
    ingest->set_size(12);
    EXPECT_EQ(read_prefix_to_end(*ingest), "first second");
    ingest->commit(Digest::of("first second"), true);
}

TEST_F(Blobs, ARangesFileOfAnotherIngestIsNotBelieved) {
    std::string side = folder.path() + "/ingest/key.done";
    write_text(side, "berth-ingest 1\n0 100\n");
    Lease lease = blobs().lease("test");
    EXPECT_THAT(blobs().ingest(lease, "key", 100, 0ms)->have(), IsEmpty());
    write_text(folder.path() + "/ingest/key", "0123456789");
    write_text(side, "nonsense");
    EXPECT_THAT(blobs().ingest(lease, "key", 100, 0ms)->have(), IsEmpty());
    write_text(folder.path() + "/ingest/key", "0123456789");
    write_text(side, "berth-ingest 1\n2 4\n8 20\n6 8\nx\n");
    EXPECT_THAT(blobs().ingest(lease, "key", 100, 0ms)->have(), ElementsAre(Range{2, 4}, Range{6, 10}));
    // More than the blob can have.
    EXPECT_THAT(blobs().ingest(lease, "key", 5, 0ms)->have(), IsEmpty());
    EXPECT_THROW((void)blobs().ingest(lease, "../key", 5, 0ms), Error);
}

TEST_F(Blobs, OneOwnerForAKey) {
    Lease lease = blobs().lease("test");
    std::unique_ptr<Ingest> first = blobs().ingest(lease, "key", 4, 0ms);
    EXPECT_EQ(blobs().ingest(lease, "key", 4, 0ms), nullptr);
    std::unique_ptr<Ingest> second;
    std::thread waiting([&] { second = blobs().ingest(lease, "key", 4, 10min); });
    first->write_at(0, sys::bytes_of("data"));
    first->commit(Digest::of("data"), false);
    waiting.join();
    ASSERT_NE(second, nullptr);
    EXPECT_THAT(second->have(), IsEmpty());
    EXPECT_TRUE(blobs().protect(lease, Digest::of("data")));
    second->write_at(0, sys::bytes_of("data"));
    EXPECT_EQ(second->commit(Digest::of("data"), true).size, 4u);
    EXPECT_THAT(names_in(folder.path() + "/ingest"), IsEmpty());
}

TEST_F(Blobs, ThreadsAndProcessesBringTheSameBlob) {
    std::string content = noise(500'000, 3);
    Digest digest = Digest::of(content);
    auto bring = [&](BlobStore& into) {
        Lease lease = into.lease("bring");
        if (into.protect(lease, digest)) return;
        std::unique_ptr<Ingest> ingest = into.ingest(lease, std::string(digest.hex()), content.size(), 10min);
        if (into.protect(lease, digest)) return;
        for (size_t at = ingest->prefix(); at < content.size(); at += 50'000)
            ingest->write_at(at, sys::bytes_of(std::string_view(content).substr(at, 50'000)));
        ingest->commit(digest, true);
    };
    store.reset();
    std::vector<sys::Child> children;
    for (int i = 0; i < 2; ++i)
        children.push_back(in_child([&] {
            Opened own(folder.path());
            std::thread other([&] { bring(own.blobs); });
            bring(own.blobs);
            other.join();
            // Everyone's lease has ended sometime: keep it.
            Lease lease = own.blobs.lease("keep");
            if (!own.blobs.protect(lease, digest)) bring(own.blobs);
        }));
    for (sys::Child& child : children) EXPECT_EQ(child.wait().code, 0);
    open();
    EXPECT_EQ(blobs().read(digest), content);
    EXPECT_EQ(blobs().list().size(), 1u);
    EXPECT_THAT(names_in(folder.path() + "/ingest"), IsEmpty());
}

TEST_F(Blobs, WhatCouldNotBePublishedIsStillThere) {
    Lease lease = blobs().lease("test");
    std::unique_ptr<Ingest> ingest = blobs().ingest(lease, "key", 7, 0ms);
    ingest->write_at(0, sys::bytes_of("content"));
    store->metadata.write([](db::Database& database) {
        database.execute("CREATE TRIGGER refuse BEFORE INSERT ON blobs BEGIN SELECT RAISE(ABORT, 'no'); END");
    });
    EXPECT_THAT(message_of([&] { ingest->commit(Digest::of("content"), true); }), HasSubstr("no"));
    EXPECT_THAT(names_in(folder.path() + "/blobs/sha256"), IsEmpty());
    EXPECT_EQ(read_text(folder.path() + "/ingest/key"), "content");
    store->metadata.write([](db::Database& database) { database.execute("DROP TRIGGER refuse"); });
    EXPECT_EQ(ingest->commit(Digest::of("content"), true).size, 7u);
    EXPECT_EQ(blobs().read(Digest::of("content")), "content");
    EXPECT_THAT(names_in(folder.path() + "/ingest"), IsEmpty());
}

TEST_F(Blobs, AnIngestThatLostItsNameRemovesNobodyElses) {
    Lease lease = blobs().lease("test");
    std::unique_ptr<Ingest> first = blobs().ingest(lease, "key", 7, 0ms);
    ASSERT_EQ(::unlink((folder.path() + "/ingest/key").c_str()), 0);
    std::unique_ptr<Ingest> second = blobs().ingest(lease, "key", 7, 0ms);
    ASSERT_TRUE(second);
    first->discard();
    EXPECT_TRUE(blobs().has_ingest("key"));
}

TEST_F(Blobs, OneLookSeesOneState) {
    Opened other(folder.path());
    auto roots = [](db::Database& database) {
        db::Statement count = database.prepare("SELECT count(*) FROM roots");
        return count.step() ? count.integer(0) : -1;
    };
    store->metadata.read([&](db::Database& database) {
        EXPECT_EQ(roots(database), 0);
        other.refer(Digest::of("new"));
        EXPECT_EQ(roots(database), 0);
    });
    EXPECT_EQ(store->metadata.read(roots), 1);
}

namespace {

/// Waits until a process waits for a lock of the file.
void await_waiter_for(const std::string& path) {
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    std::string inode = fmt::format(":{} ", status.st_ino);
    for (auto end = std::chrono::steady_clock::now() + 60s; std::chrono::steady_clock::now() < end;) {
        std::string locks = sys::read_file("/proc/locks");
        for (std::string_view line : split(locks, '\n'))
            if (line.find("->") != std::string_view::npos && line.find(inode) != std::string_view::npos)
                return;
        std::this_thread::sleep_for(1ms);
    }
    FAIL() << "nobody waits for " << path;
}

}  // namespace

TEST_F(Blobs, ARecoveryThatWasKilledIsDoneByWhoeverWaitedForIt) {
    store.reset();
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    UniqueFd started(ends[0]), tell(ends[1]);
    auto open_with = [&](const std::function<void()>& also) {
        Metadata metadata(db::Database(folder.path() + "/state.db", db::Sync::full, kTestMigrations));
        BlobStore own(metadata, folder.path(), "SELECT digest FROM roots", also);
    };
    sys::Child recovering = in_child([&] {
        open_with([&] {
            (void)!::write(tell.get(), "r", 1);
            ::pause();
        });
    });
    char byte = 0;
    ASSERT_EQ(::read(started.get(), &byte, 1), 1);
    sys::Child waiting = in_child([&] {
        bool has_recovered = false;
        open_with([&] { has_recovered = true; });
        require(has_recovered, "took the store as it was");
    });
    await_waiter_for(folder.path() + "/lock");
    ::kill(recovering.pid(), SIGKILL);
    EXPECT_EQ(recovering.wait().signal, SIGKILL);
    EXPECT_EQ(waiting.wait().code, 0);
    EXPECT_EQ(sys::read_file(folder.path() + "/lock"), "");
}

TEST_F(Blobs, CollectsBesideWritersOfOtherProcesses) {
    store.reset();
    std::vector<sys::Child> children;
    for (int i = 0; i < 2; ++i)
        children.push_back(in_child([&] {
            Opened own(folder.path());
            for (int round = 0; round < 30; ++round) {
                Lease lease = own.blobs.lease("round");
                // The same few contents in both processes: made, found and collected all the time.
                std::string content = fmt::format("content {}", round % 3);
                Digest digest = own.blobs.put(lease, content).digest;
                if (own.blobs.read(digest) != content) throw Error(ErrorKind::internal, "lost " + content);
                own.blobs.collect(0s);
                if (own.blobs.read(digest) != content)
                    throw Error(ErrorKind::internal, "collected " + content);
            }
        }));
    for (sys::Child& child : children) EXPECT_EQ(child.wait().code, 0);
    open();
    blobs().collect(0s);
    EXPECT_THAT(blobs().list(), IsEmpty());
    EXPECT_THAT(names_in(folder.path() + "/blobs/sha256"), IsEmpty());
}

TEST_F(Blobs, ALeaseEndsWithItsProcess) {
    store.reset();
    sys::Child child = in_child([&] {
        Opened own(folder.path());
        Lease lease = own.blobs.lease("short");
        own.blobs.put(lease, "orphan");
        ::raise(SIGKILL);
    });
    EXPECT_EQ(child.wait().signal, SIGKILL);
    open();
    EXPECT_TRUE(blobs().find(Digest::of("orphan")));
    EXPECT_EQ(blobs().collect(0s).blobs, 1u);
    EXPECT_THAT(names_in(folder.path() + "/leases"), IsEmpty());
}

TEST_F(Blobs, RowsAndFilesThatLostEachOtherGo) {
    Digest kept, lost;
    {
        Lease lease = blobs().lease("test");
        kept = blobs().put(lease, "kept").digest;
        lost = blobs().put(lease, "lost").digest;
        store->refer(kept);
        store->refer(lost);
    }
    std::string stray = file_of(folder.path(), Digest::of("stray"));
    write_text(stray, "stray");
    ASSERT_EQ(::unlink(file_of(folder.path(), lost).c_str()), 0);
    Lease lease = blobs().lease("test");
    EXPECT_FALSE(blobs().find(lost));
    EXPECT_FALSE(blobs().protect(lease, lost));
    blobs().collect(0s);
    EXPECT_FALSE(sys::exists(stray));
    EXPECT_EQ(blobs().list().size(), 1u);
    // And the same where nobody collects, but the next one is alone.
    write_text(stray, "stray");
    lease = blobs().lease("other");
    {
        Lease ended = std::move(lease);
    }
    reopen();
    EXPECT_FALSE(sys::exists(stray));
}

TEST_F(Blobs, OldIngestsGo) {
    {
        Lease lease = blobs().lease("test");
        blobs().ingest(lease, "old", 10, 0ms)->write_at(5, sys::bytes_of("old"));
        blobs().ingest(lease, "new", 10, 0ms)->write_at(5, sys::bytes_of("new"));
        std::unique_ptr<Ingest> owned = blobs().ingest(lease, "owned", 10, 0ms);
        owned->write_at(0, sys::bytes_of("owned"));
        timespec times[2] = {{.tv_sec = 1'000'000, .tv_nsec = 0}, {.tv_sec = 1'000'000, .tv_nsec = 0}};
        for (const char* name : {"old", "owned"})
            ::utimensat(AT_FDCWD, fmt::format("{}/ingest/{}", folder.path(), name).c_str(), times, 0);
        EXPECT_GT(blobs().collect(1h).bytes, 0u);
        EXPECT_FALSE(blobs().has_ingest("old"));
        EXPECT_TRUE(blobs().has_ingest("new"));
        EXPECT_TRUE(blobs().has_ingest("owned"));
    }
    write_text(folder.path() + "/ingest/gone.done", "berth-ingest 1\n");
    write_text(folder.path() + "/ingest/.gone.done.0123", "");
    blobs().collect(0s);
    EXPECT_THAT(names_in(folder.path() + "/ingest"), IsEmpty());
}

TEST(RangeSet, Merges) {
    RangeSet set;
    set.add({10, 20});
    set.add({30, 40});
    set.add({5, 5});
    EXPECT_THAT(set.ranges(), ElementsAre(Range{10, 20}, Range{30, 40}));
    set.add({20, 30});
    EXPECT_THAT(set.ranges(), ElementsAre(Range{10, 40}));
    set.add({0, 5});
    EXPECT_EQ(set.prefix(), 5u);
    set.add({4, 50});
    EXPECT_THAT(set.ranges(), ElementsAre(Range{0, 50}));
    EXPECT_EQ(RangeSet::parse(set.print(), 45).end(), 45u);
}

}  // namespace berth::store
