// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/bundle.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "engine/containers/etc_files.h"
#include "engine/containers/log_plan.h"
#include "engine/containers/user_root.h"
#include "engine/oci/config_builder.h"
#include "engine/oci/shared_memory.h"
#include "engine/volumes/prepare.h"
#include "shim/options.h"
#include "shim/protocol.h"
#include "sys/file.h"

namespace berth::engine {
namespace {

constexpr std::string_view kRuntimeWords =
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create "
    "failed: unable to start container process: error during container init: ";

PreparedMounts prepare(const StartJob& job) {
    PrepareRequest request;
    request.mounts = job.record->mounts;
    request.tmpfs = job.record->host_config.Tmpfs;
    request.volumes = job.volumes;
    request.data_root = job.daemon->data_root;
    request.mount_folder = job.mounts_folder;
    request.image_plan = [store = job.store](const std::string& name) {
        store::Image image = store->get(name);
        if (!image.top_chain_id())
            throw make_error(ErrorKind::invalid_argument, "image {} has no layers", name);
        return store->snapshots().view_plan(*image.top_chain_id());
    };
    return prepare_mounts(request);
}

std::string_view name_of(std::string_view variable) {
    return variable.substr(0, variable.find('='));
}

std::vector<std::string> with_link_variables(const StartJob& job, const spec::api::ContainerConfig& config) {
    const auto& own = spec::api::items(config.Env);
    std::vector<std::string> variables;
    for (const std::string& variable : job.link_variables)
        if (std::ranges::none_of(
                own, [&](const std::string& other) { return name_of(other) == name_of(variable); }))
            variables.push_back(variable);
    variables.insert(variables.end(), own.begin(), own.end());
    return variables;
}

std::string config_text(const StartJob& job, const store::MountPlan& root, const PreparedMounts& prepared) {
    const ContainerRecord& record = *job.record;
    UserRoot users(root);
    EtcFiles files = etc_files(job.network.pid != 0 ? job.network.directory : job.directory);
    spec::api::ContainerConfig config = record.config;
    if (!job.link_variables.empty()) config.Env = with_link_variables(job, record.config);
    BuildInput input{.id = record.id,
                     .config = config,
                     .host_config = record.host_config,
                     .path = record.path,
                     .args = record.args,
                     .daemon = *job.daemon,
                     .host = *job.host,
                     .mounts = prepared.mounts,
                     .rootfs_propagation = prepared.rootfs_propagation};
    if (job.network.pid == 0) write_etc_files(files, record, *job.daemon, job.etc_networks);
    input.hostname_path = files.hostname;
    input.hosts_path = files.hosts;
    input.resolv_conf_path = files.resolv_conf;
    input.root = users.fd();
    input.network_pid = job.network.pid;
    input.network_namespace = job.network_namespace;
    input.ipc_pid = job.ipc.pid;
    input.pid_pid = job.pid.pid;
    input.joined_hostname = job.network.hostname;
    input.joined_domainname = job.network.domainname;
    if (job.ipc.pid != 0)
        input.shm_path = job.joined_shared_memory;
    else if (record.host_config.IpcMode == "shareable")
        input.shm_path = job.shared_memory;
    input.shim_path = job.shim_path;
    return build_config_text(input);
}

std::string make_options(const StartJob& job, const store::MountPlan& root) {
    const ContainerRecord& record = *job.record;
    shim::ShimOptions options;
    options.id = record.id;
    options.runtime_root = job.daemon->exec_root + "/runtime";
    options.systemd_cgroup = job.daemon->cgroup_driver == "systemd";
    options.rootfs = shim::RootfsSettings{.type = root.type, .source = root.source, .options = root.options};
    options.open_stdin = record.config.OpenStdin;
    options.stdin_once = record.config.StdinOnce;
    options.log = container_log_plan(record, job.directory).settings;
    return shim::encode_options(options);
}

void write_file_at(int directory, const char* name, std::string_view text) {
    UniqueFd file = sys::open_at(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    sys::write_all(file.get(), text, name);
}

bool has_any(std::string_view text, std::initializer_list<std::string_view> words) {
    for (std::string_view word : words)
        if (text.find(word) != std::string_view::npos) return true;
    return false;
}

shim::Spawned spawn_shim(const StartJob& job, int bundle) {
    std::exception_ptr failure;
    try {
        return job.shims->spawn(bundle, job.record->id);
    } catch (...) {
        failure = std::current_exception();
    }
    std::rethrow_exception(runtime_failure(failure, job.record->path));
}

}  // namespace

shim::Spawned spawn_container(const StartJob& job) {
    remove_bundle(job.bundle);
    sys::make_dirs(job.bundle, 0711);
    bool shares_memory = job.ipc.pid == 0 && job.record->host_config.IpcMode == "shareable";
    try {
        UniqueFd bundle = sys::open_file(job.bundle, O_RDONLY | O_DIRECTORY);
        sys::check(mkdirat(bundle.get(), "rootfs", 0755), [&] { return "mkdir " + job.bundle + "/rootfs"; });
        store::MountPlan root = job.store->snapshots().mount_plan(job.record->id);
        PreparedMounts prepared = prepare(job);
        if (shares_memory) mount_shared_memory(job.shared_memory, job.record->host_config.ShmSize);
        write_file_at(bundle.get(), "config.json", config_text(job, root, prepared));
        write_file_at(bundle.get(), "shim.json", make_options(job, root));
        if (!job.network_record.empty()) write_file_at(bundle.get(), "network.json", job.network_record);
        return spawn_shim(job, bundle.get());
    } catch (...) {
        try {
            if (shares_memory) release_shared_memory(job.shared_memory);
            remove_bundle(job.bundle);
        } catch (...) {
            log::warning("undoing the start of container {}: {}", job.record->id,
                         current_exception_message());
        }
        throw;
    }
}

std::exception_ptr runtime_failure(std::exception_ptr failure, const std::string& program) {
    auto refused = [](ErrorKind kind, const Error& error, std::string text, int exit_code) {
        return std::make_exception_ptr(StartError(kind, std::move(text), error.code(), exit_code));
    };
    try {
        std::rethrow_exception(failure);
    } catch (const shim::ProgramError& error) {
        return refused(ErrorKind::invalid_argument, error, std::string(kRuntimeWords) + error.what(),
                       error.exit_code());
    } catch (const Error& error) {
        std::string text = std::string(kRuntimeWords) + error.what();
        if (has_any(text, {"not a directory"}))
            return refused(ErrorKind::invalid_argument, error,
                           text +
                               ": Are you trying to mount a directory onto a file (or vice-versa)? Check if "
                               "the specified host path exists and is the expected type",
                           127);
        bool names_program = text.find(program) != std::string::npos;
        if (names_program && has_any(text, {"executable file not found", "no such file or directory"}))
            return refused(ErrorKind::invalid_argument, error, std::move(text), 127);
        if (has_any(text, {"permission denied"}))
            return refused(ErrorKind::invalid_argument, error, std::move(text), 126);
        return refused(ErrorKind::internal, error, std::move(text), 128);
    } catch (...) {
        return failure;
    }
}

void release_shared_memory(const std::string& folder) {
    unmount_shared_memory(folder);
    rmdir(folder.c_str());
}

void remove_bundle(const std::string& bundle) {
    sys::remove_tree_at(AT_FDCWD, bundle);
}

}  // namespace berth::engine
