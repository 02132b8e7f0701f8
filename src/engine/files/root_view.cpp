// SPDX-License-Identifier: Apache-2.0
#include "engine/files/root_view.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <thread>

#include "engine/files/beneath.h"
#include "engine/files/detached_mount.h"
#include "sys/file.h"
#include "sys/process.h"

namespace berth::engine {

namespace {

/// Runs `work` in a thread of its own, whose namespaces end with it.
void in_thread(const std::function<void()>& work) {
    std::exception_ptr failure;
    std::thread thread([&] {
        try {
            work();
        } catch (...) {
            failure = std::current_exception();
        }
    });
    thread.join();
    if (failure) std::rethrow_exception(failure);
}

struct DetachedMount {
    std::string destination;
    UniqueFd tree;
};

void try_create_in_root(int root, const std::string& path) {
    try {
        (void)open_in_root(root, path, O_WRONLY | O_CREAT | O_EXCL, 0755);
    } catch (const Error& error) {
        if (error.code() != EEXIST) throw;
    }
}

/// The place for a mount, made where it is missing.
UniqueFd make_place(int root, const std::string& destination, bool is_folder) {
    if (std::optional<UniqueFd> found = try_open_in_root(root, destination, O_PATH)) return std::move(*found);
    if (errno != ENOENT) throw errno_error(errno, "open " + destination);
    if (is_folder) return make_folders_in_root(root, destination);
    (void)make_folders_in_root(root, destination.substr(0, destination.rfind('/')));
    // Exclusively: what somebody else puts there (in a volume) may be a device, not to be opened like that.
    (void)try_create_in_root(root, destination);
    return open_in_root(root, destination, O_PATH);
}

void attach(int root, const DetachedMount& mount) {
    struct stat status{};
    sys::check(::fstat(mount.tree.get(), &status), "stat");
    UniqueFd place = make_place(root, mount.destination, S_ISDIR(status.st_mode));
    sys::check(::move_mount(mount.tree.get(), "", place.get(), "",
                            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
               "mount");
}

/// A folder on the host that is there for sure, to mount the tree on in its own namespace: the one that it is
/// made of.
std::string mount_place(const store::MountPlan& plan) {
    for (std::string_view key : {"upperdir=", "lowerdir="})
        for (const std::string& option : plan.options)
            if (option.starts_with(key)) return option.substr(key.size(), option.find(':', 9) - key.size());
    return plan.source;
}

}  // namespace

std::shared_ptr<RootView> RootView::assemble(const Assembly& assembly) {
    std::vector<DetachedMount> mounts;
    for (const spec::Mount& mount : assembly.mounts) {
        with_context([&] { return fmt::format("mounting {} on {}", mount.source, mount.destination); },
                     [&] {
                         if (holds_files(mount))
                             mounts.push_back({mount.destination, make_detached_mount(mount)});
                     });
    }
    std::shared_ptr<RootView> view(new RootView);
    in_thread([&] {
        sys::check(::unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
        // What the host unmounts goes here too, what is mounted here stays here.
        sys::check(::mount("", "/", "", MS_REC | MS_SLAVE, nullptr), "making all mounts slaves");
        std::string place = mount_place(assembly.root);
        store::mount(assembly.root, place);
        view->root_ = sys::open_file(place, O_PATH | O_DIRECTORY);
        for (const DetachedMount& mount : mounts)
            with_context([&] { return "mounting on " + mount.destination; },
                         [&] { attach(view->root_.get(), mount); });
        if (assembly.readonly_root) {
            mount_attr readonly{.attr_set = MOUNT_ATTR_RDONLY};
            sys::check(::mount_setattr(view->root_.get(), "", AT_EMPTY_PATH, &readonly, sizeof readonly),
                       "making the root read-only");
        }
        view->namespace_ = sys::open_file("/proc/thread-self/ns/mnt", O_RDONLY);
    });
    return view;
}

std::shared_ptr<RootView> RootView::of_process(pid_t pid, int pidfd) {
    auto gone = [] { return Error(ErrorKind::unavailable, "the container is not running"); };
    UniqueFd own;
    if (pidfd < 0) {
        std::optional<UniqueFd> opened = sys::open_pidfd(pid);
        if (!opened) throw gone();
        own = std::move(*opened);
        pidfd = own.get();
    }
    std::shared_ptr<RootView> view(new RootView);
    std::string process = fmt::format("/proc/{}", pid);
    for (auto [into, name, flags] : {std::tuple{&view->root_, "/root", O_PATH | O_DIRECTORY},
                                     std::tuple{&view->namespace_, "/ns/mnt", O_RDONLY}}) {
        *into = UniqueFd(::open((process + name).c_str(), flags | O_CLOEXEC));
        if (*into) continue;
        if (errno == ENOENT || errno == ESRCH) throw gone();
        throw errno_error(errno, "open " + process + name);
    }
    // The process lives, so nobody else had its number meanwhile.
    if (!sys::send_signal(pidfd, 0)) throw gone();
    // One that is still being made stands in the host's tree.
    UniqueFd host = sys::open_file("/", O_PATH | O_DIRECTORY);
    if (mount_id(host.get()) == mount_id(view->root_.get())) throw gone();
    return view;
}

UniqueFd RootView::bare_root() const {
    UniqueFd bare;
    in_thread([&] {
        // A mount is cloned only from within its namespace. Between here and the thread's end nothing is
        // looked up by a path: "/" is the container's.
        sys::check(::unshare(CLONE_FS), "unshare(CLONE_FS)");
        sys::check(::setns(namespace_.get(), CLONE_NEWNS), "joining the mount namespace");
        bare = UniqueFd(::open_tree(root_.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
        if (!bare) throw errno_error(errno, "open_tree");
    });
    return bare;
}

RootView::~RootView() = default;

}  // namespace berth::engine
