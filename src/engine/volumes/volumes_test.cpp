// SPDX-License-Identifier: Apache-2.0
#include "engine/volumes/volumes.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/strings.h"
#include "engine/files/view_fixture.h"
#include "engine/state/state_db.h"
#include "engine/system/events.h"

namespace berth::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class VolumesTest : public testing::Test {
  protected:
    void SetUp() override { open(); }
    void TearDown() override { close(); }
    void open() {
        config.data_root = folder.path();
        context = std::make_unique<async::Context>();
        database = std::make_unique<StateDb>(*context, folder.path() + "/engine.db");
        events = std::make_unique<Events>(*context, *database);
        volumes = std::make_unique<Volumes>(*context, config, *database, *events);
    }
    void close() {
        volumes.reset();
        events.reset();
        database.reset();
        context.reset();
    }
    void reopen() {
        close();
        open();
    }
    template <typename T>
    T run(async::Task<T> task) {
        return context->block_on(std::move(task));
    }
    Volume create(const std::string& name, std::map<std::string, std::string> options = {},
                  std::map<std::string, std::string> labels = {}) {
        VolumeCreate request;
        request.name = name;
        request.options = std::move(options);
        request.labels = std::move(labels);
        return run(volumes->create(std::move(request)));
    }
    std::vector<MountPoint> acquire(const std::string& container, const std::vector<std::string>& words) {
        std::vector<MountPoint> mounts;
        for (const std::string& word : words) mounts.push_back(parse_bind_word(word, ""));
        return run(volumes->acquire(container, std::move(mounts)));
    }
    std::vector<std::string> names(const std::string& filters = "") {
        std::vector<std::string> result;
        for (const Volume& volume : volumes->list(spec::api::Filters::parse(filters)))
            result.push_back(volume.name);
        return result;
    }
    std::string at(const std::string& name) const { return folder.path() + "/volumes/" + name; }
    std::vector<std::string> event_texts() {
        std::vector<std::string> result;
        for (const auto& event : events->past({}, {})) result.push_back(event->action + " " + event->id);
        return result;
    }
    static bool is_mounted(const std::string& path) {
        return sys::read_file("/proc/self/mountinfo").find(" " + path + " ") != std::string::npos;
    }

    store::TemporaryFolder folder;
    DaemonConfig config;
    std::unique_ptr<async::Context> context;
    std::unique_ptr<StateDb> database;
    std::unique_ptr<Events> events;
    std::unique_ptr<Volumes> volumes;
};

TEST_F(VolumesTest, AreMadeKeptAndRemoved) {
    Volume made = create("data", {}, {{"k", "v"}});
    EXPECT_EQ(made.mountpoint, at("data/_data"));
    EXPECT_EQ(made.driver, "local");
    EXPECT_GT(made.created_ns, 0);
    struct stat status{};
    ASSERT_EQ(::stat(made.mountpoint.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0755U);
    EXPECT_EQ(create("data").created_ns, made.created_ns);
    reopen();
    EXPECT_EQ(volumes->inspect("data").labels.at("k"), "v");
    EXPECT_EQ(volumes->inspect("data").created_ns, made.created_ns);
    run(volumes->remove("data", false));
    EXPECT_FALSE(sys::exists(at("data")));
    EXPECT_THAT(store::names_in(folder.path() + "/volumes"), IsEmpty());
    reopen();
    EXPECT_THAT(names(), IsEmpty());
    EXPECT_THAT(event_texts(), ElementsAre("create data", "destroy data"));
}

TEST_F(VolumesTest, AreShownAsDockerDoes) {
    Volume plain{.name = "v", .driver = "local", .mountpoint = "/m", .created_ns = 1'700'000'000'123'456'789};
    spec::api::Volume view = volume_view(plain);
    EXPECT_EQ(view.CreatedAt, "2023-11-14T22:13:20Z");
    EXPECT_EQ(view.Labels, std::nullopt);
    EXPECT_EQ(view.Scope, "local");
    plain.options["type"] = "tmpfs";
    EXPECT_EQ(volume_view(plain).Options->at("type"), "tmpfs");
}

TEST_F(VolumesTest, RefuseAsDockerDoes) {
    auto refuses = [&](const std::string& name, std::map<std::string, std::string> options,
                       const std::string& text) {
        expect_error(ErrorKind::invalid_argument, text, [&] { create(name, options); });
    };
    refuses("x", {},
            "create x: volume name is too short, names should be at least two alphanumeric characters");
    refuses("a/b", {},
            "create a/b: \"a/b\" includes invalid characters for a local volume name, only "
            "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use "
            "absolute path");
    refuses("..", {}, "includes invalid characters");
    refuses(".hidden", {}, "includes invalid characters");
    refuses("ab", {{"odd", "1"}}, "create ab: invalid option: \"odd\"");
    refuses("ab", {{"type", "tmpfs"}}, "missing required option: \"device\"");
    refuses("ab", {{"device", "tmpfs"}}, "missing required option: \"type\"");
    refuses("ab", {{"o", "ro"}}, "missing required option: \"device\"");
    refuses("ab", {{"size", "much"}}, "invalid size: 'much'");
    refuses("ab", {{"type", "cifs"}, {"device", "//host:445/share"}},
            "port not allowed in CIFS device URL, include 'port' in 'o='");
    VolumeCreate plugin;
    plugin.name = "ab";
    plugin.driver = "odd";
    expect_error(ErrorKind::not_found,
                 R"(create ab: error looking up volume plugin odd: plugin "odd" not found)",
                 [&] { run(volumes->create(plugin)); });
    expect_error(ErrorKind::not_found, "get none: no such volume", [&] { (void)volumes->inspect("none"); });
    expect_error(ErrorKind::not_found, "get none: no such volume",
                 [&] { run(volumes->remove("none", false)); });
    run(volumes->remove("none", true));
    expect_error(ErrorKind::invalid_argument, "invalid filter", [&] { names(R"({"odd":["x"]})"); });
}

TEST_F(VolumesTest, AreHeldByContainers) {
    std::vector<MountPoint> mounts = acquire("box", {"data:/d", "/anonymous", "/host:/h"});
    EXPECT_EQ(mounts[0].source, at("data/_data"));
    EXPECT_EQ(mounts[1].name.size(), 64U);
    EXPECT_EQ(mounts[1].driver, "local");
    EXPECT_EQ(mounts[2].source, "/host");
    EXPECT_TRUE(volumes->inspect(mounts[1].name).labels.contains("com.docker.volume.anonymous"));
    expect_error(ErrorKind::conflict, "remove data: volume is in use - [box]",
                 [&] { run(volumes->remove("data", true)); });
    (void)acquire("other", {"data:/d"});
    expect_error(ErrorKind::conflict, "remove data: volume is in use - [box, other]",
                 [&] { run(volumes->remove("data", false)); });
    EXPECT_THAT(names(R"({"dangling":["true"]})"), IsEmpty());

    // After a restart containers tell what they hold.
    reopen();
    volumes->restore("box", mounts, false);
    volumes->finish_restore();
    expect_error(ErrorKind::conflict, "in use - [box]", [&] { run(volumes->remove("data", false)); });
    run(volumes->release("box", true));
    EXPECT_THAT(names(), ElementsAre("data"));
    run(volumes->remove("data", false));
    EXPECT_THAT(names(), IsEmpty());
}

TEST_F(VolumesTest, AFailedCreateHoldsNothing) {
    expect_error(ErrorKind::invalid_argument,
                 "create x:", [&] { (void)acquire("box", {"data:/d", "x:/e"}); });
    EXPECT_THAT(names(), IsEmpty());
    EXPECT_THAT(store::names_in(folder.path() + "/volumes"), IsEmpty());
}

TEST_F(VolumesTest, AreFiltered) {
    create("one", {}, {{"k", "v"}});
    create("two");
    (void)acquire("box", {"three:/x"});
    EXPECT_THAT(names(), ElementsAre("one", "three", "two"));
    EXPECT_THAT(names(R"({"dangling":["true"]})"), ElementsAre("one", "two"));
    EXPECT_THAT(names(R"({"dangling":["0"]})"), ElementsAre("three"));
    EXPECT_THAT(names(R"({"label":["k=v"]})"), ElementsAre("one"));
    EXPECT_THAT(names(R"({"name":["^t"]})"), ElementsAre("three", "two"));
    EXPECT_THAT(names(R"({"driver":["none"]})"), IsEmpty());
}

TEST_F(VolumesTest, PruneTakesWhatNobodyHolds) {
    std::string anonymous = create("").name;
    create("named");
    create("labelled", {}, {{"keep", ""}});
    create("mounted", {{"type", "tmpfs"}, {"device", "tmpfs"}});
    (void)acquire("box", {"held:/x"});
    store::write_text(at(anonymous + "/_data/file"), std::string(100000, 'x'));
    VolumePruned pruned = run(volumes->prune({}));
    EXPECT_THAT(pruned.deleted, ElementsAre(anonymous));
    EXPECT_GE(pruned.reclaimed_bytes, 100000U);
    pruned = run(volumes->prune(spec::api::Filters::parse(R"({"all":["true"],"label!":["keep"]})")));
    EXPECT_THAT(pruned.deleted, ElementsAre("named"));
    EXPECT_THAT(names(), ElementsAre("held", "labelled", "mounted"));
}

TEST_F(VolumesTest, UsageIsWhatDuCounts) {
    (void)acquire("box", {"data:/x"});
    store::write_text(at("data/_data/file"), std::string(50000, 'x'));
    create("mounted", {{"type", "tmpfs"}, {"device", "tmpfs"}});
    std::vector<VolumeUsage> usage = run(volumes->usage());
    ASSERT_EQ(usage.size(), 2U);
    EXPECT_EQ(usage[0].size, static_cast<int64_t>(store::du(at("data/_data"))));
    EXPECT_EQ(usage[0].references, 1);
    EXPECT_EQ(usage[1].size, -1);
}

TEST_F(VolumesTest, ATmpfsIsSharedByContainersThatRun) {
    create("mem", {{"type", "tmpfs"}, {"device", "tmpfs"}, {"o", "size=1m,mode=0700"}});
    std::vector<MountPoint> mounts = acquire("one", {"mem:/x"});
    (void)acquire("two", {"mem:/x"});
    std::string place = at("mem/_data");
    run(volumes->mounted("one", mounts));
    ASSERT_TRUE(is_mounted(place));
    store::write_text(place + "/file", "shared");
    run(volumes->mounted("two", mounts));
    run(volumes->unmounted("one"));
    EXPECT_EQ(store::read_text(place + "/file"), "shared");
    // The daemon is killed and comes back while "two" runs, then after it has ended.
    reopen();
    volumes->restore("one", mounts, false);
    volumes->restore("two", mounts, true);
    volumes->finish_restore();
    EXPECT_EQ(store::read_text(place + "/file"), "shared");
    reopen();
    volumes->restore("two", mounts, false);
    volumes->finish_restore();
    EXPECT_FALSE(is_mounted(place));
    run(volumes->mounted("two", mounts));
    EXPECT_TRUE(is_mounted(place));
    run(volumes->unmounted("two"));
    EXPECT_FALSE(is_mounted(place));
    EXPECT_THAT(event_texts(), testing::IsSupersetOf({"mount mem", "unmount mem"}));
}

TEST_F(VolumesTest, MountErrorsShowNoPasswords) {
    create("bad", {{"type", "tmpfs"}, {"device", "tmpfs"}, {"o", "odd=1,password=hush"}});
    std::vector<MountPoint> mounts = acquire("box", {"bad:/x"});
    try {
        run(volumes->mounted("box", mounts));
        ADD_FAILURE() << "mounted";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("error while mounting volume '" + at("bad/_data") +
                                            "': failed to mount local volume: mount tmpfs:"));
        EXPECT_THAT(error.what(), HasSubstr("password=********"));
        EXPECT_THAT(error.what(), testing::Not(HasSubstr("hush")));
    }
}

TEST_F(VolumesTest, FoldersOfAKilledDaemon) {
    create("kept");
    close();
    sys::make_dirs(at("empty/_data"));               // killed in a create
    sys::make_dirs(at(".removed-0123/_data/deep"));  // in a removal
    sys::make_dirs(at("full/_data"));
    store::write_text(at("full/_data/file"), "somebody's");
    sys::make_dirs(at("kept/_copy"));
    store::write_text(at("kept/_copy/half"), "half");
    open();
    EXPECT_THAT(names(), ElementsAre("full", "kept"));
    EXPECT_FALSE(sys::exists(at("empty")));
    EXPECT_FALSE(sys::exists(at(".removed-0123")));
    EXPECT_FALSE(sys::exists(at("kept/_copy")));
    reopen();
    EXPECT_THAT(names(), ElementsAre("full", "kept"));
}

}  // namespace
}  // namespace berth::engine
