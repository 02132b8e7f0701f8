// SPDX-License-Identifier: Apache-2.0
#include "runtime/rootfs_plan.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "launch/syscalls.h"
#include "runtime/mount_options.h"
#include "runtime/validate.h"
#include "sys/file.h"

namespace berth::runtime {

namespace {

using launch::ConfigEntry;
using launch::MountAttributes;

struct DefaultDevice {
    const char* path;
    unsigned major, minor;
};
/// config-linux.md, Default Devices. /dev/console and /dev/ptmx come with the terminal and devpts.
constexpr DefaultDevice kDefaultDevices[] = {
    {"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
    {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
};
/// config-linux.md, Dev symbolic links.
constexpr std::pair<const char*, const char*> kDevSymlinks[] = {
    {"/dev/fd", "/proc/self/fd"},       {"/dev/stdin", "/proc/self/fd/0"}, {"/dev/stdout", "/proc/self/fd/1"},
    {"/dev/stderr", "/proc/self/fd/2"}, {"/dev/ptmx", "pts/ptmx"},
};

uint64_t root_propagation_type(std::string_view name) {
    if (name.ends_with("shared")) return MS_SHARED;
    if (name.ends_with("private")) return MS_PRIVATE;
    if (name.ends_with("unbindable")) return MS_UNBINDABLE;
    return MS_SLAVE;  // also the default: the host's mounts come in, ours don't go out
}

MountAttributes attributes_of(const MountOptions& options) {
    return {options.attr_set, options.attr_clr, options.rec_attr_set, options.rec_attr_clr};
}

/// Builds the operations for config.mounts.
class MountPlanner {
  public:
    MountPlanner(PlanBuilder& builder, const spec::Config& config, const RootfsContext& context)
        : builder_(builder), config_(config), context_(context) {}

    void plan() {
        for (size_t i = 0; i < config_.mounts.size(); ++i) plan_mount(config_.mounts[i], i);
    }

    bool host_dev() const { return host_dev_; }

  private:
    void plan_mount(const spec::Mount& mount, size_t index) {
        field_ = fmt::format("mounts[{}]", index);
        label_ = fmt::format("{} ({})", field_, mount.destination);
        destination_ = sys::clean_path(mount.destination);
        MountOptions options = parse_mount_options(mount, field_);
        bool no_type = mount.type.empty() || mount.type == "none";
        if (options.remount || (no_type && !options.bind))
            plan_remount(options);
        else if (options.bind)
            plan_bind(mount, options);
        else if (mount.type == "cgroup")
            plan_cgroup(options);
        else
            plan_new(mount, options);
    }

    launch::PropagationList propagation(const MountOptions& options) {
        std::vector<launch::Propagation> items;
        for (const PropagationChange& change : options.propagation)
            items.push_back({change.type, change.recursive});
        size_t count = items.size();
        return {builder_.keep(std::move(items)), count};
    }

    void plan_remount(const MountOptions& options) {
        builder_.add(
            launch::Remount{builder_.keep(destination_), attributes_of(options), propagation(options)},
            label_);
    }

    void plan_bind(const spec::Mount& mount, const MountOptions& options) {
        if (mount.source.empty()) fail_field(field_ + ".source", "a bind mount needs a source");
        host_dev_ = host_dev_ || destination_ == "/dev";
        std::string source = sys::clean_path(mount.source, context_.bundle);
        launch::MountBind bind{};
        bind.destination = builder_.keep(destination_);
        bind.tree_fd = -1;
        bind.recursive = options.recursive_bind;
        bind.source_path = builder_.keep(source);
        bind.attributes = attributes_of(options);
        bind.propagation = propagation(options);
        if (context_.host_root)
            bind.tree_fd =
                builder_.keep(with_context(label_, [&] { return open_source(source, mount, options); }));
        else if (options.idmap)
            throw Error(ErrorKind::forbidden, label_ + ": an idmapped mount needs root's rights on the host");
        builder_.add(bind, label_);
    }

    /// The source as a detached mount. Opened on our side, it can't be replaced while the container is made,
    /// it may lie where the container's user could not go, and it can be idmapped.
    UniqueFd open_source(const std::string& source, const spec::Mount& mount, const MountOptions& options) {
        unsigned recursive = options.recursive_bind ? AT_RECURSIVE : 0U;
        int tree = launch::open_tree_fd(AT_FDCWD, source.c_str(), OPEN_TREE_CLONE | recursive);
        if (tree < 0) throw errno_error(-tree, "opening the source " + source);
        UniqueFd fd(tree);
        uint64_t type = root_propagation_type(config_.linux_->rootfsPropagation);
        if (type == MS_UNBINDABLE) type = MS_PRIVATE;
        if (type != MS_SHARED) {
            int result =
                launch::set_mount_attr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, {.propagation = type});
            if (result < 0) throw errno_error(-result, "setting the propagation");
        }
        if (options.idmap) map_ids(tree, mount, options);
        return fd;
    }

    void map_ids(int tree, const spec::Mount& mount, const MountOptions& options) {
        IdMappings mappings{mount.uidMappings, mount.gidMappings};
        if (mappings.uid.empty()) mappings = {config_.linux_->uidMappings, config_.linux_->gidMappings};
        if (mappings.uid.empty())
            throw Error(ErrorKind::invalid_argument,
                        "idmap needs uidMappings and gidMappings, here or in linux");
        mount_attr attr{};
        attr.attr_set = MOUNT_ATTR_IDMAP;
        attr.userns_fd = static_cast<uint64_t>(namespaces_.get(mappings));
        int result =
            launch::set_mount_attr(tree, "", AT_EMPTY_PATH | (options.rec_idmap ? AT_RECURSIVE : 0U), attr);
        if (result < 0) throw errno_error(-result, "idmapping (not every file system can)");
    }

    void plan_new(const spec::Mount& mount, const MountOptions& options) {
        std::vector<ConfigEntry> entries;
        bool has_mode = false;
        for (const SuperblockFlag& flag : options.superblock_flags)
            entries.push_back({builder_.keep(std::string(flag.name)), nullptr, !flag.required});
        entries.push_back({"source", builder_.keep(mount.source.empty() ? mount.type : mount.source), false});
        for (const auto& [key, value] : options.data) {
            has_mode = has_mode || key == "mode";
            entries.push_back({builder_.keep(key), value ? builder_.keep(*value) : nullptr, false});
        }
        bool labelled = mount.type != "proc" && mount.type != "sysfs" && mount.type != "cgroup2";
        if (context_.selinux && !config_.linux_->mountLabel.empty() && labelled)
            entries.push_back({"context", builder_.keep(config_.linux_->mountLabel), false});
        launch::MountNew fresh = new_mount(mount.type, std::move(entries), options);
        fresh.copy_up = options.copy_up;
        fresh.inherit_mode = mount.type == "tmpfs" && !has_mode;
        fresh.plain_folder = mount.type == "proc" || mount.type == "sysfs";
        builder_.add(fresh, label_);
    }

    launch::MountNew new_mount(const std::string& type, std::vector<ConfigEntry> entries,
                               const MountOptions& options) {
        launch::MountNew fresh{};
        fresh.destination = builder_.keep(destination_);
        fresh.type = builder_.keep(type);
        fresh.entry_count = entries.size();
        fresh.entries = builder_.keep(std::move(entries));
        fresh.attributes = attributes_of(options);
        fresh.propagation = propagation(options);
        return fresh;
    }

    /// Type "cgroup" means: as the host has it. v2: the one hierarchy. Else a tmpfs with a folder for each
    /// hierarchy.
    void plan_cgroup(const MountOptions& options) {
        if (context_.cgroup == nullptr)
            return log::warning("{}: left out, the container has no cgroup", label_);
        std::vector<sys::CgroupView> views = context_.cgroup->views();
        std::string top = destination_;
        bool pure_v2 = views.size() == 1 && views[0].name.empty();
        if (!pure_v2) {
            MountOptions writable = options;
            writable.attr_set &= ~static_cast<uint64_t>(MOUNT_ATTR_RDONLY);
            builder_.add(new_mount("tmpfs", {{"source", "cgroup", false}, {"mode", "0755", false}}, writable),
                         label_);
        }
        for (const sys::CgroupView& view : views) {
            destination_ = view.name.empty() ? top : fmt::format("{}/{}", top, view.name);
            plan_view(view, options);
            for (const std::string& alias : view.aliases)
                builder_.add(launch::MakeSymlink{builder_.keep(fmt::format("{}/{}", top, alias)),
                                                 builder_.keep(view.name)},
                             label_);
        }
        destination_ = top;
        if (!pure_v2 && options.read_only()) {
            launch::Remount remount{};
            remount.destination = builder_.keep(top);
            remount.attributes.set = MOUNT_ATTR_RDONLY;
            builder_.add(remount, label_);
        }
    }

    void plan_view(const sys::CgroupView& view, const MountOptions& options) {
        if (context_.own_cgroup_namespace) {
            std::vector<ConfigEntry> entries = {{"source", "cgroup", false}};
            for (std::string_view option : split(view.options, ',')) {
                size_t equals = option.find('=');
                bool flag = equals == std::string_view::npos;
                entries.push_back({builder_.keep(std::string(option.substr(0, equals))),
                                   flag ? nullptr : builder_.keep(std::string(option.substr(equals + 1))),
                                   false});
            }
            builder_.add(new_mount(view.fs_type, std::move(entries), options), label_);
            return;
        }
        // Without a cgroup namespace only the container's own part may be seen.
        launch::MountBind bind{};
        bind.destination = builder_.keep(destination_);
        bind.source_path = builder_.keep(view.dir);
        bind.tree_fd = -1;
        bind.attributes = attributes_of(options);
        bind.propagation = propagation(options);
        builder_.add(bind, label_);
    }

    PlanBuilder& builder_;
    const spec::Config& config_;
    const RootfsContext& context_;
    MappingNamespaces namespaces_;
    std::string field_, label_, destination_;
    bool host_dev_ = false;
};

void plan_device(PlanBuilder& builder, const RootfsContext& context, const std::string& path, mode_t mode,
                 dev_t number, uid_t uid, gid_t gid, std::string label) {
    const char* destination = builder.keep(path);
    bool node = S_ISCHR(mode) || S_ISBLK(mode);
    if (context.in_user_namespace && node)
        builder.add(launch::BindDevice{destination, destination, mode, number}, std::move(label));
    else
        builder.add(launch::MakeDevice{destination, mode, number, uid, gid}, std::move(label));
}

void plan_devices(PlanBuilder& builder, const spec::Config& config, const RootfsContext& context) {
    std::vector<std::string> configured;
    for (size_t i = 0; i < config.linux_->devices.size(); ++i) {
        const spec::Device& device = config.linux_->devices[i];
        std::string path = sys::clean_path(device.path);
        configured.push_back(path);
        mode_t type = device.type == "b" ? S_IFBLK : device.type == "p" ? S_IFIFO : S_IFCHR;
        dev_t number = device.type == "p" ? 0
                                          : makedev(static_cast<unsigned>(device.major.value_or(0)),
                                                    static_cast<unsigned>(device.minor.value_or(0)));
        plan_device(builder, context, path, type | device.fileMode.value_or(0666), number,
                    device.uid.value_or(0), device.gid.value_or(0),
                    fmt::format("linux.devices[{}] ({})", i, path));
    }
    for (const DefaultDevice& device : kDefaultDevices) {
        if (std::find(configured.begin(), configured.end(), device.path) != configured.end()) continue;
        plan_device(builder, context, device.path, S_IFCHR | 0666, makedev(device.major, device.minor), 0, 0,
                    fmt::format("default device {}", device.path));
    }
    for (const auto& [path, target] : kDevSymlinks)
        builder.add(launch::MakeSymlink{path, target}, fmt::format("default symlink {}", path));
}

void plan_console(PlanBuilder& builder, const spec::Process& process, const RootfsContext& context) {
    launch::OpenConsole console{};
    console.socket = context.console_socket;
    if (process.consoleSize) {
        console.rows = static_cast<uint16_t>(process.consoleSize->height);
        console.columns = static_cast<uint16_t>(process.consoleSize->width);
    }
    console.uid = process.user.uid;
    console.bind_console = context.mount_namespace;
    builder.add(console, "process.terminal");
}

/// A path of mountinfo, in which blanks and the like are written as octal numbers (proc_pid_mountinfo(5)).
std::string unescape(std::string_view text) {
    std::string result;
    for (size_t i = 0; i < text.size(); ++i) {
        std::optional<unsigned> code;
        if (text[i] == '\\' && i + 3 < text.size()) code = parse_number<unsigned>(text.substr(i + 1, 3), 8);
        result += code ? static_cast<char>(*code) : text[i];
        if (code) i += 3;
    }
    return result;
}

bool is_below(std::string_view path, std::string_view folder) {
    return path == folder || folder == "/" || (path.starts_with(folder) && path[folder.size()] == '/');
}

/// Calls `visit(mount point, file system type)` for each mount that we see.
template <typename Visit>
void for_each_mount(Visit visit) {
    std::string table = sys::read_file("/proc/self/mountinfo");
    for (std::string_view line : split(table, '\n')) {
        size_t separator = line.find(" - ");
        std::vector<std::string_view> fields = split_fields(line);
        if (fields.size() < 5 || separator == std::string_view::npos) continue;
        std::vector<std::string_view> rest = split_fields(line.substr(separator + 3));
        if (!rest.empty()) visit(unescape(fields[4]), rest[0]);
    }
}

/// The mount that holds a folder; pivot_root needs it not to be shared.
std::string mount_point_of(const std::string& path) {
    std::string best = "/";
    for_each_mount([&](const std::string& point, std::string_view) {
        if (is_below(path, point) && point.size() > best.size()) best = point;
    });
    return best;
}

/// What is left of the host's tree below a root that was only moved would let a nested user namespace mount a
/// procfs without masks.
void plan_hidden_mounts(PlanBuilder& builder, const std::string& rootfs) {
    for_each_mount([&](const std::string& point, std::string_view type) {
        if ((type == "proc" || type == "sysfs") && !is_below(point, rootfs))
            builder.add(launch::HideMount{builder.keep(point)}, fmt::format("hiding {}", point));
    });
}

UniqueFd open_rootfs(const std::string& rootfs) {
    int tree = launch::open_tree_fd(AT_FDCWD, rootfs.c_str(), OPEN_TREE_CLONE | AT_RECURSIVE);
    if (tree < 0) throw errno_error(-tree, "root.path: opening " + rootfs);
    UniqueFd fd(tree);
    int result = launch::set_mount_attr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, {.propagation = MS_SLAVE});
    if (result < 0) throw errno_error(-result, "root.path: setting the propagation of " + rootfs);
    return fd;
}

}  // namespace

void plan_rootfs(PlanBuilder& builder, const spec::Config& config, const RootfsContext& context, bool hooks) {
    if (!context.mount_namespace) {
        if (!config.mounts.empty() || (config.root && config.root->readonly))
            log::warning("mounts and root.readonly are left out: the container has no mount namespace");
        UniqueFd folder =
            with_context("root.path", [&] { return sys::open_file(context.rootfs, O_PATH | O_DIRECTORY); });
        if (hooks) builder.add(launch::Sync{launch::Phase::create_runtime, true}, "hooks");
        builder.add(launch::ChangeRoot{builder.keep(std::move(folder))}, "root.path");
        if (config.process && config.process->terminal) plan_console(builder, *config.process, context);
        return;
    }
    uint64_t type = root_propagation_type(config.linux_->rootfsPropagation);
    if (type == MS_UNBINDABLE)
        type = MS_PRIVATE;  // until all is in place: what is unbindable can't be bound by us
    builder.add(launch::SetPropagation{"/", type, true}, "linux.rootfsPropagation");
    if (type == MS_SHARED)
        builder.add(launch::SetPropagation{builder.keep(mount_point_of(context.rootfs)), MS_PRIVATE, false},
                    "linux.rootfsPropagation");

    launch::AttachRoot attach{};
    attach.path = builder.keep(context.rootfs);
    attach.mount_fd = context.rootfs_mount;
    if (attach.mount_fd < 0 && context.host_root) attach.mount_fd = builder.keep(open_rootfs(context.rootfs));
    builder.add(attach, fmt::format("root.path ({})", context.rootfs));

    MountPlanner mounts(builder, config, context);
    mounts.plan();
    if (!mounts.host_dev()) plan_devices(builder, config, context);
    if (config.process && config.process->terminal) plan_console(builder, *config.process, context);
    if (hooks) builder.add(launch::Sync{launch::Phase::create_runtime, true}, "hooks");
}

void plan_enter_rootfs(PlanBuilder& builder, const spec::Config& config, const RootfsContext& context) {
    if (!context.mount_namespace) return;
    const spec::Linux& platform = *config.linux_;
    for (size_t i = 0; i < platform.readonlyPaths.size(); ++i)
        builder.add(launch::ReadonlyPath{builder.keep(platform.readonlyPaths[i])},
                    fmt::format("linux.readonlyPaths[{}] ({})", i, platform.readonlyPaths[i]));
    for (size_t i = 0; i < platform.maskedPaths.size(); ++i)
        builder.add(launch::MaskPath{builder.keep(platform.maskedPaths[i])},
                    fmt::format("linux.maskedPaths[{}] ({})", i, platform.maskedPaths[i]));
    if (context.no_pivot) plan_hidden_mounts(builder, context.rootfs);
    builder.add(launch::EnterRoot{context.no_pivot ? launch::RootChange::move : launch::RootChange::pivot},
                context.no_pivot ? "moving the root file system" : "pivot_root");
    if (!platform.rootfsPropagation.empty()) {
        uint64_t type = root_propagation_type(platform.rootfsPropagation);
        bool recursive = platform.rootfsPropagation.starts_with('r');
        if (type != MS_PRIVATE)
            builder.add(launch::SetRootPropagation{type, recursive}, "linux.rootfsPropagation");
    }
    if (config.root && config.root->readonly) builder.add(launch::SetRootReadonly{}, "root.readonly");
}

}  // namespace berth::runtime
