// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <chrono>
#include <utility>

#include "base/log.h"
#include "engine/config/reload.h"
#include "engine/containers/base_folder.h"
#include "engine/containers/containers.h"
#include "engine/containers/shim_program.h"
#include "engine/images/images.h"
#include "engine/logs/forwarding.h"
#include "engine/networks/networks.h"
#include "engine/networks/sandboxes.h"
#include "engine/networks/service_ports.h"
#include "engine/oci/host_facts.h"
#include "engine/state/state_db.h"
#include "engine/stats/sampler.h"
#include "engine/streams/attach.h"
#include "engine/streams/exec.h"
#include "engine/system/events.h"
#include "engine/system/system.h"
#include "engine/volumes/volumes.h"
#include "net/dns/server.h"
#include "net/firewall.h"
#include "net/port_holder.h"
#include "sys/file.h"

namespace berth::engine {
namespace {

registry::ClientConfig registry_config(const DaemonConfig& config) {
    registry::ClientConfig client;
    client.mirrors = config.registry_mirrors;
    client.insecure_registries = config.insecure_registries;
    client.max_concurrent_downloads = static_cast<size_t>(config.max_concurrent_downloads);
    client.max_concurrent_uploads = static_cast<size_t>(config.max_concurrent_uploads);
    client.max_attempts = static_cast<unsigned>(config.max_download_attempts);
    return client;
}

store::Store::Options store_options(const DaemonConfig& config) {
    // The driver's name on the wire is that of dockerd's.
    std::string driver = config.storage_driver == "overlay2" ? "overlay" : config.storage_driver;
    return {.root = config.data_root,
            .driver = std::move(driver),
            .relaxed_snapshots = true,
            .base_folder = make_base_folder(config.data_root)};
}

net::Firewall::Options firewall_options(const DaemonConfig& config) {
    return {.tag = machine_tag(config),
            .enable4 = config.network.iptables,
            .enable6 = config.network.ip6tables,
            .accept_in_others = config.network.forward_accept,
            .accept_fwmark = config.network.accept_fwmark};
}

net::PortHolder::Options port_options(const DaemonConfig& config, const ShimProgram& program) {
    net::PortHolder::Options options;
    options.socket = config.exec_root + "/ports.sock";
    options.program = program.executable();
    options.tag = machine_tag(config);
    return options;
}

DaemonConfig with_folders(DaemonConfig config) {
    sys::make_dirs(config.data_root, 0711);
    sys::make_dirs(config.exec_root, 0711);
    return config;
}

}  // namespace

/// In the order in which they stand on each other.
struct Engine::State {
    State(async::Context& on, async::Context& bulk, DaemonConfig with)
        : control(on),
          streams(bulk),
          config(with_folders(std::move(with))),
          store(store_options(config)),
          database(control, config.data_root + "/engine.db"),
          events(control, database),
          images(control, streams, store, events,
                 {.registry = registry_config(config),
                  .driver = config.storage_driver,
                  .users = [this] { return containers.image_users(); }}),
          volumes(control, config, database, events),
          forwarding(control, streams),
          firewall(control, firewall_options(config)),
          dns(control, streams, {}),
          ports(control, port_options(config, shim_program)),
          networks({.control = control,
                    .config = config,
                    .database = database,
                    .events = events,
                    .firewall = firewall}),
          service_ports({.control = control, .networks = networks, .firewall = firewall, .dns = dns}),
          sandboxes(
              {.control = control,
               .config = config,
               .networks = networks,
               .firewall = firewall,
               .dns = dns,
               .ports = ports,
               .services = service_ports,
               .find_container = [this](std::string_view reference) { return find_container(reference); }}),
          containers({.control = control,
                      .streams = streams,
                      .config = config,
                      .database = database,
                      .events = events,
                      .images = images,
                      .volumes = volumes,
                      .forwarding = forwarding,
                      .host = host,
                      .networks = networks,
                      .sandboxes = sandboxes,
                      .service_ports = service_ports}),
          attachments({.control = control, .streams = streams, .publish = publisher()}),
          execs({.control = control,
                 .streams = streams,
                 .config = config,
                 .host = host,
                 .get_container = [this](std::string_view reference) { return containers.get(reference); },
                 .publish = publisher()}),
          stats(control, containers, config.exec_root + "/runtime"),
          system({.control = control,
                  .config = config,
                  .host = host,
                  .events = events,
                  .containers = containers,
                  .images = images,
                  .volumes = volumes,
                  .firewall = firewall}) {
        // Rows of containers refer to snapshots.
        database.sync_also([this] { store.sync_metadata(); });
    }

    /// Null where nothing has that name.
    std::shared_ptr<Container> find_container(std::string_view reference) const {
        try {
            return containers.get(reference);
        } catch (const Error&) {
            return nullptr;
        }
    }

    ContainerEventPublisher publisher() {
        return
            [this](const Container& container, std::string action, std::map<std::string, std::string> more) {
                std::map<std::string, std::string> attributes = Containers::event_attributes(container);
                attributes.merge(std::move(more));
                events.publish("container", std::move(action), container.id(), std::move(attributes));
            };
    }

    async::Context& control;
    async::Context& streams;
    DaemonConfig config;
    HostFacts host = HostFacts::read();
    store::Store store;
    StateDb database;
    Events events;
    Images images;
    Volumes volumes;
    Forwarding forwarding;
    ShimProgram shim_program;
    net::Firewall firewall;
    net::DnsServer dns;
    net::PortHolder ports;
    Networks networks;
    ServicePorts service_ports;
    Sandboxes sandboxes;
    Containers containers;
    Attachments attachments;
    Execs execs;
    StatsSampler stats;
    System system;
};

Engine::Engine(async::Context& control, async::Context& streams, DaemonConfig config)
    : state_(std::make_unique<State>(control, streams, std::move(config))) {}
Engine::~Engine() = default;

async::Task<void> Engine::start() {
    co_await state_->networks.recover();
    // Adopts their places in networks too, and starts the firewall with all of them.
    co_await state_->containers.recover();
}

/// What is left of networks in the kernel is recovered or removed by the next start where this fails.
async::Task<void> Engine::stop_networks() {
    Counts counts = state_->containers.counts();
    bool is_idle = counts.running + counts.paused == 0;
    std::string failure;
    try {
        co_await state_->firewall.stop(is_idle);
        if (is_idle) co_await state_->networks.remove_bridges();
    } catch (const std::exception& error) {
        failure = error.what();
    }
    if (!failure.empty()) log::warning("stopping networks: {}", failure);
}

async::Task<void> Engine::stop(bool stop_containers) {
    int limit_s = state_->config.shutdown_timeout;
    std::chrono::seconds limit = limit_s < 0 ? std::chrono::hours(24) : std::chrono::seconds(limit_s);
    co_await state_->containers.shutdown(stop_containers, limit);
    co_await stop_networks();
    co_await state_->database.sync();
}

void Engine::reload(DaemonConfig config) {
    state_->config = std::move(config);
    state_->containers.reconfigured();
    state_->images.reconfigure(registry_config(state_->config));
    std::map<std::string, std::string> attributes = reload_attributes(state_->config);
    attributes.emplace("name", state_->host.hostname);
    state_->events.publish("daemon", "reload", state_->system.id(), std::move(attributes));
}

async::Context& Engine::control() {
    return state_->control;
}
async::Context& Engine::streams() {
    return state_->streams;
}
const DaemonConfig& Engine::config() const {
    return state_->config;
}
const HostFacts& Engine::host() const {
    return state_->host;
}
StateDb& Engine::database() {
    return state_->database;
}
Events& Engine::events() {
    return state_->events;
}
Images& Engine::images() {
    return state_->images;
}
Volumes& Engine::volumes() {
    return state_->volumes;
}
net::Firewall& Engine::firewall() {
    return state_->firewall;
}
Networks& Engine::networks() {
    return state_->networks;
}
Containers& Engine::containers() {
    return state_->containers;
}
Attachments& Engine::attachments() {
    return state_->attachments;
}
Execs& Engine::execs() {
    return state_->execs;
}
StatsSampler& Engine::stats() {
    return state_->stats;
}
System& Engine::system() {
    return state_->system;
}

}  // namespace berth::engine
