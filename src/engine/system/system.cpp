// SPDX-License-Identifier: Apache-2.0
#include "engine/system/system.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "engine/images/run_config.h"
#include "engine/oci/image_merge.h"
#include "engine/system/flight.h"
#include "engine/system/info.h"
#include "engine/system/metrics.h"
#include "store/config_changes.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

namespace api = spec::api;

/// A random UUID (RFC 4122, version 4), as dockerd's.
std::string new_id() {
    std::string hex = random_hex(16);
    hex[12] = '4';
    hex[16] = "89ab"[static_cast<size_t>(hex[16] <= '9' ? hex[16] - '0' : hex[16] - 'a' + 10) % 4];
    return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                       hex.substr(16, 4), hex.substr(20));
}

std::string engine_id(const std::string& data_root) {
    std::string path = data_root + "/engine-id";
    if (std::optional<std::string> known = sys::try_read_file(path))
        if (std::string_view id = trim(*known); !id.empty()) return std::string(id);
    std::string id = new_id();
    UniqueFd dir = sys::open_file(data_root, O_RDONLY | O_DIRECTORY);
    sys::write_file_atomic_at(dir.get(), "engine-id", id);
    return id;
}

/// What the new image is run with: the request's and the changes, over the container's.
spec::ImageRunConfig committed_config(const ContainerCommit& request, const api::ContainerConfig& container) {
    spec::ImageRunConfig run;
    if (request.config) run = run_config_of(*request.config);
    store::apply_changes(run, request.changes);
    api::ContainerConfig merged = container_config_of(run);
    merge_image_config(merged, run_config_of(container));
    return run_config_of(merged);
}

void refuse_commit(const Container& container) {
    ContainerStatus status = container.state().status;
    if (status == ContainerStatus::dead)
        throw make_error(ErrorKind::conflict, "You cannot commit container {} which is Dead", container.id());
    if (status == ContainerStatus::removing)
        throw make_error(ErrorKind::conflict, "You cannot commit container {} which is being removed",
                         container.id());
}

}  // namespace

struct System::State {
    explicit State(Dependencies given) : with(given), id(engine_id(given.config.data_root)) {}

    Dependencies with;
    std::string id;
    std::map<DiskUsageParts, std::shared_ptr<Flight<api::DiskUsage>>> usages;

    static async::Task<void> add_firewall_warnings(std::shared_ptr<State> self, api::Info& into);
    static async::Task<api::DiskUsage> measure(std::shared_ptr<State> self, DiskUsageParts parts);
    static async::Task<void> measure_images(std::shared_ptr<State> self, api::DiskUsage& into);
    static async::Task<std::string> commit(std::shared_ptr<State> self, ContainerCommit request);
    static async::Task<std::string> commit_image(std::shared_ptr<State> self, ContainerCommit& request,
                                                 std::shared_ptr<Container> container);
};

System::System(Dependencies dependencies) : state_(std::make_shared<State>(dependencies)) {}
System::~System() = default;

const std::string& System::id() const {
    return state_->id;
}

api::Version System::version() const {
    return describe_version(state_->with.host, state_->with.config.experimental);
}

/// With --forward-accept=false: whose chains drop what containers forward. Nothing where they can't be read.
async::Task<void> System::State::add_firewall_warnings(std::shared_ptr<State> self, api::Info& into) {
    if (self->with.config.network.forward_accept) co_return;
    std::vector<net::Firewall::OtherChain> chains;
    try {
        chains = co_await self->with.firewall.other_chains();
    } catch (const Error& error) {
        log::debug("reading others' forward chains: {}", error.what());
    }
    for (const net::Firewall::OtherChain& chain : chains) {
        if (chain.is_accepted) continue;
        if (!into.Warnings) into.Warnings.emplace();
        into.Warnings->push_back(
            fmt::format("WARNING: chain {} of table {} {} drops what containers forward (--forward-accept)",
                        chain.chain, chain.family, chain.table));
    }
}

async::Task<api::Info> System::info() {
    std::shared_ptr<State> state = state_;
    api::Info info = describe_daemon(state->with.config, state->with.host);
    info.ID = state->id;
    Counts counts = state->with.containers.counts();
    info.ContainersRunning = counts.running;
    info.ContainersPaused = counts.paused;
    info.ContainersStopped = counts.stopped;
    info.Containers = counts.running + counts.paused + counts.stopped;
    info.NEventsListener = static_cast<int>(state->with.events.subscribers());
    info.Images = static_cast<int>(co_await state->with.images.count());
    co_await State::add_firewall_warnings(state, info);
    co_return info;
}

/// Bytes on disk, as du counts them: an image's Size has its blobs and layers, SharedSize what other images
/// have too, and LayersSize each of them once.
async::Task<void> System::State::measure_images(std::shared_ptr<State> self, api::DiskUsage& into) {
    store::Usage usage = co_await self->with.images.usage();
    ImageListOptions options;
    options.containers = true;
    std::vector<api::ImageSummary> images = co_await self->with.images.list(std::move(options));
    std::map<std::string, const store::Usage::PerImage*> sizes;
    for (const store::Usage::PerImage& image : usage.images) sizes[image.id.text()] = &image;
    for (api::ImageSummary& image : images) {
        auto found = sizes.find(image.Id);
        if (found == sizes.end()) continue;
        image.Size = static_cast<int64_t>(found->second->size);
        image.SharedSize = static_cast<int64_t>(found->second->shared);
    }
    into.LayersSize = static_cast<int64_t>(usage.blobs + usage.layers);
    into.Images = std::move(images);
}

async::Task<api::DiskUsage> System::State::measure(std::shared_ptr<State> self, DiskUsageParts parts) {
    // Those who wait hold the result; it may be large, so nobody else does.
    struct Forget {
        State& state;
        const DiskUsageParts& which;
        ~Forget() { state.usages.erase(which); }
    } forget{*self, parts};
    api::DiskUsage usage;
    if (parts.images) co_await measure_images(self, usage);
    if (parts.containers) {
        ListOptions options;
        options.all = true;
        options.size = true;
        usage.Containers = co_await self->with.containers.list(std::move(options));
    }
    if (parts.volumes) {
        std::vector<VolumeUsage> volumes = co_await self->with.volumes.usage();
        usage.Volumes.emplace();
        for (const VolumeUsage& volume : volumes) {
            api::Volume view = volume_view(volume.volume);
            view.UsageData = api::VolumeUsage{.RefCount = volume.references, .Size = volume.size};
            usage.Volumes->push_back(std::move(view));
        }
    }
    if (parts.build_cache) usage.BuildCache_.emplace();
    co_return usage;
}

async::Task<api::DiskUsage> System::disk_usage(DiskUsageParts parts) {
    std::shared_ptr<State> state = state_;
    std::shared_ptr<Flight<api::DiskUsage>> flight = state->usages[parts];
    if (!flight) {
        flight = Flight<api::DiskUsage>::begin(state->with.control, "measuring disk usage",
                                               State::measure(state, parts));
        if (!flight->is_over()) state->usages[parts] = flight;
    }
    api::DiskUsage usage = co_await Flight<api::DiskUsage>::wait(std::move(flight));
    co_return usage;
}

async::Task<std::string> System::State::commit_image(std::shared_ptr<State> self, ContainerCommit& request,
                                                     std::shared_ptr<Container> container) {
    const ContainerRecord& record = container->record();
    CommitRequest image;
    image.snapshot = record.id;
    image.base = record.image_id;
    image.config = committed_config(request, record.config);
    image.author = request.author;
    image.comment = request.comment;
    image.created_by = join(api::items(record.config.Cmd), " ");
    image.name = request.name;
    std::string id = co_await self->with.images.commit(std::move(image));
    co_return id;
}

async::Task<std::string> System::State::commit(std::shared_ptr<State> self, ContainerCommit request) {
    std::shared_ptr<Container> container = self->with.containers.get(request.container);
    refuse_commit(*container);
    bool is_paused_here = false;
    if (request.pause && container->is_running() && !container->is_paused()) {
        try {
            co_await self->with.containers.pause(container->id());
            is_paused_here = true;
        } catch (const Error& error) {
            // It may have ended; Docker goes on too.
            log::debug("pausing container {} for a commit: {}", container->id(), error.what());
        }
    }
    std::string id;
    std::exception_ptr failure;
    try {
        id = co_await commit_image(self, request, container);
    } catch (...) {
        failure = std::current_exception();
    }
    if (is_paused_here) {
        try {
            co_await self->with.containers.unpause(container->id());
        } catch (const Error& error) {
            log::warning("resuming container {} after a commit: {}", container->id(), error.what());
        }
    }
    if (failure) std::rethrow_exception(failure);
    std::map<std::string, std::string> attributes = Containers::event_attributes(*container);
    attributes["comment"] = request.comment;
    attributes["imageID"] = id;
    attributes["imageRef"] = request.name ? request.name->with_default_tag().familiar() : "";
    self->with.events.publish("container", "commit", container->id(), std::move(attributes));
    co_return id;
}

async::Task<std::string> System::commit(ContainerCommit request) {
    std::shared_ptr<State> state = state_;
    std::string name = "committing container " + request.container;
    std::shared_ptr<Flight<std::string>> flight = Flight<std::string>::begin(
        state->with.control, std::move(name), State::commit(state, std::move(request)));
    std::string id = co_await Flight<std::string>::wait(std::move(flight));
    co_return id;
}

async::Task<std::string> System::metrics() {
    std::shared_ptr<State> state = state_;
    const HostFacts& host = state->with.host;
    Counts counts = state->with.containers.counts();
    int64_t images = co_await state->with.images.count();
    MetricsText text;
    text.begin("engine_daemon_container_states_containers", "gauge",
               "The count of containers in various states");
    text.sample({{"state", "paused"}}, counts.paused);
    text.sample({{"state", "running"}}, counts.running);
    text.sample({{"state", "stopped"}}, counts.stopped);
    text.single("engine_daemon_engine_cpus_cpus", "gauge",
                "The number of cpus that the host system of the engine has", host.cpu_count);
    text.begin("engine_daemon_engine_info", "gauge",
               "The information related to the engine and the OS it is running on");
    text.sample({{"architecture", host.architecture},
                 {"commit", ""},
                 {"daemon_id", state->id},
                 {"graphdriver", state->with.config.storage_driver},
                 {"kernel", host.kernel_release},
                 {"os", host.os_name},
                 {"os_type", "linux"},
                 {"os_version", host.os_version},
                 {"version", BERTH_VERSION}},
                1);
    text.single("engine_daemon_engine_memory_bytes", "gauge",
                "The number of bytes of memory that the host system of the engine has",
                static_cast<double>(host.memory_total));
    uint64_t published = 0;
    for (const auto& [what, count] : state->with.events.counts()) published += count;
    text.single("engine_daemon_events_total", "counter", "The number of events logged",
                static_cast<double>(published));
    text.single("engine_daemon_events_subscribers_total", "gauge",
                "The number of current subscribers to events",
                static_cast<double>(state->with.events.subscribers()));
    text.begin("berth_events_total", "counter", "Events by type and action since the daemon's start");
    for (const auto& [what, count] : state->with.events.counts())
        text.sample({{"type", what.first}, {"action", what.second}}, static_cast<double>(count));
    text.single("berth_images", "gauge", "The number of images in the store", static_cast<double>(images));
    add_process_metrics(text);
    co_return text.take();
}

}  // namespace berth::engine
