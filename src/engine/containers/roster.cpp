// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/roster.h"

#include "engine/state/state_db.h"
#include "engine/system/events.h"

namespace berth::engine {

Roster::Roster(Containers::Dependencies dependencies)
    : services(dependencies),
      config(std::make_shared<const DaemonConfig>(dependencies.config)),
      cleaned_up(dependencies.control),
      cleanup_turns(dependencies.control, 2) {}

ContainerPointer Roster::get(std::string_view reference) const {
    bool is_ambiguous = false;
    ContainerPointer found = containers.look_up(reference, is_ambiguous);
    if (is_ambiguous)
        throw make_error(ErrorKind::invalid_argument, "multiple IDs found with provided prefix: {}",
                         reference);
    if (!found) throw make_error(ErrorKind::not_found, "No such container: {}", reference);
    return found;
}

ContainerPointer Roster::make(ContainerRecord record, ContainerState state) {
    return std::make_shared<ManagedContainer>(services.control, services.config, std::move(record),
                                              std::move(state));
}

std::shared_ptr<Life> Roster::make_life(int64_t generation) {
    std::erase_if(lives_, [](const std::weak_ptr<Life>& life) { return life.expired(); });
    auto life = std::make_shared<Life>(services.control, generation);
    lives_.push_back(life);
    return life;
}

void Roster::leave_shims() {
    for (const std::weak_ptr<Life>& one : lives_) {
        std::shared_ptr<Life> life = one.lock();
        if (!life || !life->shim) continue;
        life->shim->set_listener({});
        life->shim->close();
    }
}

std::string Roster::directory_of(const std::string& id) const {
    return services.config.data_root + "/containers/" + id;
}
std::string Roster::bundle_of(const std::string& id) const {
    return services.config.exec_root + "/c/" + id;
}
std::string Roster::mounts_folder() const {
    return services.config.exec_root + "/mounts";
}
std::string Roster::shared_memory_of(const std::string& id) const {
    return services.config.exec_root + "/shm/" + id;
}

async::Task<void> Roster::write_new(const ContainerRecord& record, const ContainerState& state) {
    StateDb::Work work = [id = record.id, name = record.name, body = encode_record(record),
                          now = encode_state(state)](db::Database& database) {
        database.run("INSERT INTO containers(id, name, record, state) VALUES (?, ?, ?, ?)", id, name, body,
                     now);
    };
    return services.database.write(std::move(work));
}

async::Task<void> Roster::write_state(const std::string& id, const ContainerState& state) {
    StateDb::Work work = [id, now = encode_state(state)](db::Database& database) {
        database.run("UPDATE containers SET state = ? WHERE id = ?", now, id);
    };
    return services.database.write(std::move(work));
}

async::Task<void> Roster::write_record(const ContainerRecord& record) {
    StateDb::Work work = [id = record.id, name = record.name,
                          body = encode_record(record)](db::Database& database) {
        database.run("UPDATE containers SET name = ?, record = ? WHERE id = ?", name, body, id);
    };
    return services.database.write(std::move(work));
}

async::Task<void> Roster::erase(const std::string& id) {
    StateDb::Work work = [id](db::Database& database) {
        database.run("DELETE FROM containers WHERE id = ?", id);
    };
    return services.database.write(std::move(work));
}

async::Task<void> Roster::change_state(ContainerPointer container, ContainerState state) {
    co_await write_state(container->id(), state);
    // Probes go on meanwhile.
    if (state.generation == container->state().generation) state.health = container->state().health;
    container->set_state(std::move(state));
}

void Roster::publish(const ManagedContainer& container, std::string action,
                     std::map<std::string, std::string> more) const {
    std::map<std::string, std::string> attributes = Containers::event_attributes(container);
    attributes.merge(std::move(more));
    services.events.publish("container", std::move(action), container.id(), std::move(attributes));
}

}  // namespace berth::engine
