// SPDX-License-Identifier: Apache-2.0
#include "engine/files/root_view.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "engine/files/beneath.h"
#include "engine/files/view_fixture.h"
#include "sys/process.h"

namespace berth::engine {
namespace {

class RootViewTest : public ViewTest {
  protected:
    static std::string mounts() { return sys::read_file("/proc/self/mountinfo"); }
};

TEST_F(RootViewTest, AssemblesWithoutTouchingTheHost) {
    std::string before = mounts();
    {
        std::shared_ptr<RootView> tree = view(
            {{.destination = "/vol/inner", .type = "bind", .source = at("outside"), .options = {"rbind"}},
             {.destination = "/etc/hosts",
              .type = "bind",
              .source = at("outside/secret"),
              .options = {"rbind", "ro"}},
             {.destination = "/tmp", .type = "tmpfs", .source = "tmpfs", .options = {}}});
        EXPECT_EQ(mounts(), before);
        EXPECT_EQ(read_file_in_root(tree->root(), "/vol/inner/secret"), "secret");
        EXPECT_EQ(read_file_in_root(tree->root(), "/etc/hosts"), "secret");
        (void)open_in_root(tree->root(), "/vol/inner/new", O_WRONLY | O_CREAT, 0600);
        (void)open_in_root(tree->root(), "/etc/new", O_WRONLY | O_CREAT, 0600);
    }
    EXPECT_EQ(mounts(), before);
    EXPECT_TRUE(sys::exists(at("outside/new")));
    EXPECT_TRUE(sys::exists(at("upper/etc/new")));
    EXPECT_FALSE(sys::exists(at("upper/tmp")));
}

TEST_F(RootViewTest, MountPlacesBehindLinksStayInTheTree) {
    ASSERT_EQ(::symlink(at("outside").c_str(), at("image/data").c_str()), 0);
    sys::make_dirs(at("volume"));
    std::shared_ptr<RootView> tree;
    // The link leads to a folder that is not there in the container.
    EXPECT_THROW(
        view({{.destination = "/data/x", .type = "bind", .source = at("volume"), .options = {"rbind"}}}),
        Error);
    EXPECT_EQ(store::names_in(at("outside")), std::vector<std::string>{"secret"});
}

TEST_F(RootViewTest, OthersFileSystemsAreMountedAsTheirOptionsSay) {
    sys::make_dirs(at("l1"));
    sys::make_dirs(at("l2"));
    store::write_text(at("l1/one"), "1");
    std::shared_ptr<RootView> tree = view({{.destination = "/opt",
                                            .type = "overlay",
                                            .source = "overlay",
                                            .options = {"ro", "lowerdir=" + at("l1") + ":" + at("l2")}}});
    EXPECT_EQ(read_file_in_root(tree->root(), "/opt/one"), "1");
}

TEST_F(RootViewTest, BareRootShowsWhatMountsHide) {
    sys::make_dirs(at("image/opt"));
    store::write_text(at("image/opt/below"), "below");
    std::shared_ptr<RootView> tree =
        view({{.destination = "/opt", .type = "bind", .source = at("outside"), .options = {"rbind"}}});
    EXPECT_EQ(read_file_in_root(tree->root(), "/opt/below"), std::nullopt);
    EXPECT_EQ(read_file_in_root(tree->bare_root().get(), "/opt/below"), "below");
}

TEST_F(RootViewTest, SeesWhatARunningProcessSees) {
    std::array<int, 2> ready{};
    ASSERT_EQ(::pipe2(ready.data(), O_CLOEXEC), 0);
    sys::make_dirs(at("place"));
    sys::make_dirs(at("image/opt"));
    store::write_text(at("image/opt/below"), "below");
    sys::Child child = store::in_child([&] {
        sys::check(::unshare(CLONE_NEWNS), "unshare");
        sys::check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make private");
        store::mount(plan(), at("place"));
        sys::check(::mount(at("outside").c_str(), at("place/opt").c_str(), nullptr, MS_BIND, nullptr),
                   "bind");
        sys::check(::chroot(at("place").c_str()), "chroot");
        sys::check(::write(ready[1], "x", 1), "write");
        while (true) ::pause();
    });
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    std::shared_ptr<RootView> tree = RootView::of_process(child.pid(), child.pidfd());
    EXPECT_EQ(read_file_in_root(tree->root(), "/opt/secret"), "secret");
    EXPECT_EQ(read_file_in_root(tree->bare_root().get(), "/opt/below"), "below");
    sys::TextSink sink;
    export_tree(*tree, sink);
    EXPECT_THAT(names(read_tar(sink.text)), testing::ElementsAre("etc", "etc/passwd", "opt", "opt/below"));
    pid_t pid = child.pid();
    child.kill_and_reap();
    expect_error(ErrorKind::unavailable, "not running", [&] { (void)RootView::of_process(pid); });
    for (int fd : ready) ::close(fd);
}

TEST_F(RootViewTest, AProcessInTheHostsTreeIsNoContainer) {
    expect_error(ErrorKind::unavailable, "not running", [] { (void)RootView::of_process(::getpid()); });
}

}  // namespace
}  // namespace berth::engine
