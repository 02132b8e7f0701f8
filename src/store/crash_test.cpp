// SPDX-License-Identifier: Apache-2.0
// What kill -9 at any moment and a full disk leave behind.
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <random>
#include <set>
#include <thread>

#include "store/store_fixture.h"
#include "store/tree.h"
#include "sys/file.h"

namespace berth::store {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

namespace {

/// What clients do, in an order that a seed gives.
class Activity {
  public:
    Activity(Store& store, uint32_t seed) : store_(store), random_(seed) {}

    void run(uint64_t steps = UINT64_MAX) {
        for (uint64_t i = 0; i < steps; ++i) step();
    }

  private:
    uint32_t pick(uint32_t limit) { return static_cast<uint32_t>(random_() % limit); }

    /// A pull must succeed, whatever others do. The rest may find that what it works on is gone, or there
    /// already.
    void step() {
        uint32_t what = pick(8);
        if (what < 3) return pull();
        try {
            other_step(what);
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::conflict &&
                error.kind() != ErrorKind::unavailable)
                throw;
        }
    }
    void other_step(uint32_t what) {
        switch (what) {
            case 3: return store_.remove(names()[pick(4)], {.force = true}), void();
            case 4: return interrupted_ingest();
            case 5: return snapshot();
            case 6: return store_.collect(pick(2) == 0 ? 0s : 1h), void();
            default: return commit();
        }
    }
    static std::vector<std::string> names() { return {"one", "two", "three", "four"}; }

    void pull() {
        ImageOptions options;
        options.layers.clear();
        for (uint32_t i = 0; i <= pick(3); ++i)
            options.layers.push_back(
                {{"dir/", ""},
                 {fmt::format("dir/file{}", pick(3)), std::string(pick(3) * 30'000, 'x')},
                 {fmt::format("other{}", pick(2)), "text"}});
        options.names = {names()[pick(4)]};
        options.comment = std::to_string(pick(5));
        options.with_manifest = true;
        make_image(store_, options);
    }
    void interrupted_ingest() {
        Lease lease = store_.blobs().lease("ingest");
        auto ingest = store_.blobs().ingest(lease, fmt::format("key{}", pick(3)), 200'000, 0ms);
        if (!ingest) return;
        std::string data(50'000, 'i');
        for (int i = 0; i < 3; ++i) ingest->write_at(pick(4) * 50'000, sys::bytes_of(data));
    }
    void snapshot() {
        std::string name = fmt::format("snapshot{}", pick(3));
        if (store_.snapshots().find(name)) return store_.snapshots().remove(name);
        std::vector<Image> images = store_.list({});
        store_.snapshots().create(name, images.empty() ? std::nullopt : images[0].top_chain_id(),
                                  {.is_volatile = pick(2) == 0});
    }
    void commit() {
        std::vector<SnapshotInfo> snapshots = store_.snapshots().list();
        if (snapshots.empty()) return;
        Lease lease = store_.blobs().lease("commit");
        store_.commit_layer(lease, snapshots[pick(static_cast<uint32_t>(snapshots.size()))].name, {});
    }

    Store& store_;
    std::mt19937 random_;
};

/// Activity, in a process that is killed after `time`. `meanwhile` runs once the child has the store open;
/// without it the child may still be opening it.
void run_and_kill(const std::string& root, uint32_t seed, std::chrono::microseconds time,
                  const std::function<void()>& meanwhile) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    UniqueFd ready(ends[0]), tell(ends[1]);
    sys::Child child = in_child([&] {
        Store own({.root = root});
        (void)!::write(tell.get(), "r", 1);
        Activity(own, seed).run();
    });
    char byte = 0;
    if (meanwhile) {
        ASSERT_EQ(::read(ready.get(), &byte, 1), 1);
        meanwhile();
    }
    std::this_thread::sleep_for(time);
    ASSERT_EQ(::kill(child.pid(), SIGKILL), 0);
    EXPECT_EQ(child.wait().signal, SIGKILL);
}

std::set<std::string> as_set(const std::vector<std::string>& names) {
    return {names.begin(), names.end()};
}

void check_blobs(Store& store, const std::string& root) {
    std::set<std::string> files = as_set(names_in(root + "/blobs/sha256"));
    for (const BlobInfo& blob : store.blobs().list()) {
        EXPECT_EQ(files.erase(std::string(blob.digest.hex())), 1u) << blob.digest.text();
        EXPECT_EQ(Digest::of(store.blobs().read(blob.digest)), blob.digest);
    }
    EXPECT_THAT(files, IsEmpty()) << "files without rows";
}

void check_images(Store& store) {
    for (const Image& image : store.list({.all = true})) {
        EXPECT_NO_THROW(store.config(image));
        ASSERT_TRUE(image.manifest);
        EXPECT_NO_THROW((void)store.blobs().read(*image.manifest));
        for (const LayerBlob& layer : image.layers) EXPECT_TRUE(store.blobs().find(layer.blob.digest));
        EXPECT_NO_THROW(store.snapshots().view_plan(*image.top_chain_id()));
    }
    for (const SnapshotInfo& snapshot : store.snapshots().list())
        EXPECT_NO_THROW(store.snapshots().mount_plan(snapshot.name));
}

void check_folders(Store& store, const std::string& root) {
    EXPECT_THAT(names_in(root + "/l"), SizeIs(store.snapshots().layers().size() + 1));
    EXPECT_THAT(names_in(root + "/s"), SizeIs(store.snapshots().list().size()));
    EXPECT_THAT(names_in(root + "/leases"), IsEmpty());
    EXPECT_THAT(names_in(root + "/builds"), IsEmpty());
}

void check_usage(Store& store, const std::string& root) {
    Usage usage = store.usage();
    EXPECT_EQ(usage.total, du(root));
    EXPECT_EQ(usage.blobs + usage.layers + usage.snapshots + usage.other, usage.total);
}

class Crash : public StoreTest {};

}  // namespace

/// Odd rounds: somebody else has the store open and collects. Even ones: the next opener is alone and
/// recovers.
TEST_F(Crash, KilledAtAnyMoment) {
    Usage fresh = store->usage();
    std::random_device device;
    std::mt19937 random(device());
    for (uint32_t round = 0; round < 50; ++round) {
        uint32_t seed = random();
        SCOPED_TRACE(fmt::format("round {}, seed {}", round, seed));
        store.reset();
        bool is_beside = round % 2 == 1;
        std::function<void()> meanwhile;
        if (is_beside) meanwhile = [&] { open(); };
        run_and_kill(root(), seed, std::chrono::microseconds(random() % 40'000), meanwhile);
        if (is_beside)
            store->collect(1h);
        else
            open();
        check_blobs(*store, root());
        check_images(*store);
        check_folders(*store, root());
        check_usage(*store, root());
        if (HasFailure()) return;
    }
    for (const Image& image : store->list({.all = true})) store->remove(image.id.text(), {.force = true});
    for (const SnapshotInfo& snapshot : store->snapshots().list()) store->snapshots().remove(snapshot.name);
    store->collect();
    EXPECT_THAT(store->blobs().list(), IsEmpty());
    EXPECT_THAT(names_in(root() + "/ingest"), IsEmpty());
    check_folders(*store, root());
    Usage after = store->usage();
    // Folders keep the blocks that their names took once.
    EXPECT_LE(after.layers + after.snapshots, fresh.layers + fresh.snapshots + 16384);
    EXPECT_EQ(names_in(root() + "/blobs/sha256").size(), 0u);
}

TEST_F(Crash, SeveralProcessesWorkAtOnce) {
    store.reset();
    std::vector<sys::Child> children;
    for (uint32_t seed : {1u, 2u, 3u})
        children.push_back(in_child([&] {
            Store own({.root = root()});
            std::thread other([&] { Activity(own, seed).run(30); });
            Activity(own, seed + 10).run(30);
            other.join();
        }));
    for (sys::Child& child : children) EXPECT_EQ(child.wait().code, 0);
    open();
    check_blobs(*store, root());
    check_images(*store);
    check_folders(*store, root());
}

namespace {

constexpr uint64_t kSmall = 6 << 20;

/// `work` with a store on a file system of a few MiB.
void on_a_small_disk(const std::string& place, const std::function<void(const std::string& root)>& work) {
    sys::make_dirs(place);
    in_own_mounts([&] {
        sys::check(::mount("tmpfs", place.c_str(), "tmpfs", 0, fmt::format("size={}", kSmall).c_str()),
                   "mount");
        work(place + "/store");
    });
}

std::string expect_no_space(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        require(error.code() == ENOSPC && error.kind() == ErrorKind::unavailable, error.what());
        std::string text = error.what();
        require(text.find("o space left on device") != std::string::npos, text);
        require(text.find("berth system prune") != std::string::npos, text);
        return text;
    }
    throw Error(ErrorKind::internal, "there was space");
}

void fill(const std::string& path) {
    UniqueFd fd = sys::open_file(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    for (size_t size : {65536, 4096, 1}) {
        std::string data(size, 'f');
        while (::write(fd.get(), data.data(), data.size()) > 0) {
        }
    }
}

void fill_by_ingest(Store& store) {
    Lease lease = store.blobs().lease("ingest");
    auto ingest = store.blobs().ingest(lease, "large", std::nullopt, 0ms);
    std::string data(4096, 'x');
    expect_no_space([&] {
        for (uint64_t at = 0; at < 2 * kSmall; at += data.size()) ingest->write_at(at, sys::bytes_of(data));
    });
}

}  // namespace

TEST_F(Crash, AFullDiskWhileABlobComes) {
    on_a_small_disk(folder.path() + "/small", [](const std::string& root) {
        {
            Store own({.root = root});
            make_image(own, {.names = {"kept"}});
            fill_by_ingest(own);
            require(own.get("kept").size == 5, "the image is lost");
            require(own.blobs().has_ingest("large"), "nothing to resume");
            own.collect(0s);
            require(!own.blobs().has_ingest("large"), "the space is not back");
            make_image(own, {.names = {"next"}});
            fill_by_ingest(own);
        }
        // The next start makes itself room.
        Store again({.root = root});
        require(again.get("next").size == 5 && !again.blobs().has_ingest("large"), "reopened");
    });
}

TEST_F(Crash, AFullDiskWhileALayerIsUnpacked) {
    on_a_small_disk(folder.path() + "/small", [](const std::string& root) {
        Store own({.root = root});
        uint64_t before = disk_usage(AT_FDCWD, root + "/l");
        std::string error = expect_no_space([&] {
            make_image(own, {.layers = {{{"small", "x"}}, {{"large", std::string(2 * kSmall, 'x')}}}});
        });
        require(error.find("unpacking layer sha256:") != std::string::npos, error);
        require(own.list({.all = true}).empty(), "an image without layers");
        own.collect(0s);
        require(disk_usage(AT_FDCWD, root + "/l") == before, "layers are left");
        require(own.blobs().list().empty(), "blobs are left");
        make_image(own, {.names = {"next"}});
    });
}

TEST_F(Crash, AFullDiskForTheDatabase) {
    on_a_small_disk(folder.path() + "/small", [](const std::string& root) {
        Store own({.root = root});
        Image image = make_image(own, {.layers = {{{"some", std::string(1 << 20, 's')}}}, .names = {"kept"}});
        fill(root + "/ballast");
        std::string error = expect_no_space([&] {
            for (int i = 0; i < 10'000; ++i)
                own.tag(image, spec::Reference::parse(fmt::format("tag{}-{}", std::string(200, 't'), i)));
        });
        require(error.find("state.db") != std::string::npos, error);
        expect_no_space([&] {
            Lease lease = own.blobs().lease("put");
            own.blobs().put(lease, std::string(100'000, 'p'));
        });
        require(own.get("kept").size == 1 << 20, "the image is lost");
        // What frees space works on a full disk.
        own.remove(image.id.text(), {.force = true});
        require(own.blobs().list().empty() && own.snapshots().layers().empty(), "the space is not back");
        make_image(own, {.names = {"next"}});
    });
}

}  // namespace berth::store
