// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "engine/images/images.h"
#include "engine/system/events.h"

/// For the sources of Images alone.
namespace berth::engine {

/// What is read of an image's documents for lists: they never change, so it is read once. For any thread.
class ImageDocuments {
  public:
    struct Document {
        std::map<std::string, std::string> labels;
        std::optional<spec::Descriptor> manifest;
    };
    explicit ImageDocuments(store::Store& store) : store_(store) {}
    std::shared_ptr<const Document> of(const store::Image& image);
    /// The configuration of an image that can be run.
    std::shared_ptr<const ImageFacts> facts(store::Image image);

  private:
    /// So many are kept, and all forgotten when there are more: lists of thousands cost their reading.
    static constexpr size_t kKept = 1024, kKeptFacts = 32;

    store::Store& store_;
    std::mutex mutex_;
    std::map<std::pair<Digest, Digest>, std::shared_ptr<const Document>> documents_;
    std::map<Digest, std::shared_ptr<const spec::ImageConfig>> configs_;
};

struct Images::State : std::enable_shared_from_this<Images::State> {
    State(async::Context& loop, async::Context& bulk, store::Store& of, Events& bus, Options settings)
        : control(loop), streams(bulk), store(of), events(bus), options(std::move(settings)), documents(of) {}

    async::Context& control;
    async::Context& streams;
    store::Store& store;
    Events& events;
    Options options;
    ImageDocuments documents;
    bool is_pruning = false;

    /// The registry client is of the stream context, and made there when first used.
    std::mutex client_mutex;
    std::shared_ptr<registry::Client> client;
    std::shared_ptr<registry::Client> registry_client();

    /// Layers are synced to disk in the background, so that a transfer need not wait; by a thread of its own,
    /// which ends when there is nothing left to sync.
    std::mutex sync_mutex;
    std::thread sync_thread;
    bool is_syncing = false, sync_wanted = false;
    /// Starts Snapshots::sync(); from any thread.
    void sync_soon();
    void sync_all() noexcept;

    /// Publishes an event of an image; from any thread. `attributes` come to the image's labels.
    void publish(std::string action, std::string id, std::map<std::string, std::string> attributes);
};

/// Runs what may last on the stream context's pool: the control context's has few threads, and they write the
/// engine's database. A cancelled caller still waits for it.
template <typename Result>
async::Task<Result> run_in_bulk(async::Context& streams, std::function<Result()> work) {
    async::Task<Result> task = async::run_blocking(std::move(work));
    Result result = co_await async::run_on(streams, std::move(task));
    co_return result;
}

/// The labels of an image that may be gone: none then. Blocking.
std::map<std::string, std::string> labels_of(Images::State& state, const std::string& name);

/// `credentials` for the registry of `reference`, and nobody for others (mirrors).
registry::CredentialSource credentials_for(const spec::Reference& reference, spec::Credentials credentials);

}  // namespace berth::engine
