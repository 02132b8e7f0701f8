// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "async/context.h"
#include "registry/client/client.h"
#include "registry/client/keyed_locks.h"
#include "registry/client/repository.h"

namespace berth::registry {

/// What all pulls and pushes of a Client share.
struct Client::State {
    State(async::Context& loop, ClientConfig settings);

    async::Context& context;
    ClientConfig config;
    Endpoints endpoints;
    Transport transport;
    KeyedLocks locks;  ///< "layer <chain id>" and, taken while holding that one or none, "blob <digest>"
    async::Semaphore downloads, uploads;
};

/// What the layers of one image share while it is pulled. Outlives their coroutines.
struct PullJob {
    Client::State& client;
    store::Store& store;
    Repository& repository;
    ProgressSink progress;                             ///< may be empty
    std::optional<store::Lease> lease = std::nullopt;  ///< before the first layer

    void tell(Progress told) const {
        if (progress) progress(told);
    }
};

/// One layer of the image. `ready` is set when it can be built upon.
struct PullLayer {
    size_t number = 0, count = 0;  ///< for messages: layer 3 of 7
    spec::Descriptor blob;
    Digest diff_id, chain_id;      ///< empty where nothing is unpacked
    std::optional<Digest> parent;  ///< chain id
    async::Event* parent_ready = nullptr;
    std::unique_ptr<async::Event> ready;

    /// As people see it in the list of layers.
    std::string id() const { return std::string(blob.digest.short_hex()); }
};

/// Brings one layer into the store:
///
///   layer lock -> there already? ---------------------------------------------------------> ready
///        |                                                                                    ^
///        v                                                                                    |
///   layer folder (waits for other processes) -> blob lock -> a turn -> [ download | hash, unpack | sync,
///   publish blob ]
///                                                                                 -> parent ready -> commit
///
/// Locks are taken in this order, so that pulls that share layers can't wait for each other in a circle: a
/// layer waits for those below it, and nobody waits for a layer while holding a blob. The layer's blob is
/// resumed where an earlier pull left it; if its digest then is wrong it is brought anew once. Errors say
/// which layer.
async::Task<void> pull_layer(PullJob& job, PullLayer& layer);

/// Brings a blob without unpacking it.
async::Task<void> pull_blob(PullJob& job, PullLayer& layer);

}  // namespace berth::registry
