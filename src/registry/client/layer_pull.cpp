// SPDX-License-Identifier: Apache-2.0
#include "registry/client/layer_pull.h"

#include "base/log.h"
#include "registry/client/layer_download.h"
#include "registry/client/layer_pipeline.h"

namespace berth::registry {

namespace {

using Phase = Progress::Phase;
using std::chrono::steady_clock;

/// How long a thread of the pool waits for another process at a time.
constexpr std::chrono::milliseconds kForeignWait{100};
constexpr std::chrono::milliseconds kProgressStep{100};

/// Tells of one layer's bytes, not too often. Shared with the layer's threads, whose news go through the
/// loop; silent once the pull has ended.
class LayerProgress : public std::enable_shared_from_this<LayerProgress> {
  public:
    LayerProgress(async::Context& context, ProgressSink sink, std::string id, uint64_t total)
        : context_(context), sink_(std::move(sink)), id_(std::move(id)), total_(total) {}

    void tell(Phase phase, uint64_t current = 0, std::string text = {}) {
        if (!sink_ || closed_) return;
        Progress told{phase, id_, std::move(text), current, total_};
        sink_(told);
    }
    void received(uint64_t bytes) {
        auto now = steady_clock::now();
        if (now < next_ && bytes < total_) return;
        next_ = now + kProgressStep;
        tell(Phase::downloading, bytes);
    }
    /// From the layer's thread.
    void unpacked(uint64_t consumed) {
        auto now = steady_clock::now();
        if (now < next_unpacked_) return;
        next_unpacked_ = now + kProgressStep;
        context_.post([self = shared_from_this(), consumed] {
            if (self->downloaded_) self->tell(Phase::extracting, consumed);
        });
    }
    void set_downloaded() { downloaded_ = true; }
    void close() { closed_ = true; }

  private:
    async::Context& context_;
    ProgressSink sink_;
    std::string id_;
    uint64_t total_;
    steady_clock::time_point next_, next_unpacked_;  ///< the second is the layer's thread's
    bool downloaded_ = false, closed_ = false;
};

/// A layer on its way.
class LayerWork {
  public:
    LayerWork(PullJob& job, PullLayer& layer)
        : job_(job),
          layer_(layer),
          verified_(std::make_shared<async::Event>(job.client.context)),
          progress_(std::make_shared<LayerProgress>(job.client.context, job.progress, layer.id(),
                                                    static_cast<uint64_t>(layer.blob.size))) {}
    ~LayerWork() { progress_->close(); }

    async::Task<void> pull() {
        KeyedLocks::Held lock = co_await job_.client.locks.acquire("layer " + layer_.chain_id.text());
        for (unsigned failures = 0;; ++failures) {
            bool there = co_await start_build();
            if (there) {
                progress_->tell(Phase::already_exists);
                layer_.ready->set();
                co_return;
            }
            bool brought = co_await bring(failures);
            if (brought) break;
            build_.reset();
        }
        if (layer_.parent_ready) co_await layer_.parent_ready->wait();
        std::function<void()> commit = [this] { build_->commit(unpacked_); };
        co_await async::run_blocking(std::move(commit));
        progress_->tell(Phase::pull_complete);
        layer_.ready->set();
    }

    async::Task<void> pull_only() {
        for (unsigned failures = 0;; ++failures) {
            bool there = co_await find_blob(false);
            if (there) {
                progress_->tell(Phase::already_exists);
                co_return;
            }
            bool brought = co_await bring(failures);
            if (brought) break;
        }
        progress_->tell(Phase::pull_complete);
    }

  private:
    /// True where the layer is there; else build_ is its folder.
    async::Task<bool> start_build() {
        while (true) {
            std::function<bool()> find = [this] {
                store::Snapshots& snapshots = job_.store.snapshots();
                if (snapshots.protect_layer(*job_.lease, layer_.chain_id)) return true;
                build_ = snapshots.build_layer(*job_.lease, layer_.chain_id, layer_.diff_id, layer_.parent,
                                               kForeignWait);
                return false;
            };
            bool there = co_await async::run_blocking(std::move(find));
            if (there) co_return true;
            if (build_) co_return false;
        }
    }

    /// True where the blob is in the store; `open`s it then.
    async::Task<bool> find_blob(bool open) {
        std::function<bool()> find = [this, open] {
            store::BlobStore& blobs = job_.store.blobs();
            if (!blobs.protect(*job_.lease, layer_.blob.digest)) return false;
            if (open) file_ = blobs.open(layer_.blob.digest).fd;
            return true;
        };
        bool there = co_await async::run_blocking(std::move(find));
        co_return there;
    }

    /// file_ of the blob that is there, or ingest_ for one that is not.
    async::Task<void> find_or_take_ingest() {
        while (true) {
            std::function<void()> take = [this] {
                store::BlobStore& blobs = job_.store.blobs();
                ingest_ = blobs.ingest(*job_.lease, std::string(layer_.blob.digest.hex()),
                                       static_cast<uint64_t>(layer_.blob.size), kForeignWait);
            };
            bool there = co_await find_blob(true);
            if (there) co_return;
            co_await async::run_blocking(std::move(take));
            if (!ingest_) continue;
            // Who had it before may have finished the blob.
            there = co_await find_blob(true);
            if (there) ingest_.reset();
            co_return;
        }
    }

    /// False where the digest was wrong and another attempt may help. It begins with the layer's folder,
    /// which must not be taken while holding the blob.
    async::Task<bool> bring(unsigned failures) {
        progress_->tell(Phase::pulling);
        KeyedLocks::Held lock = co_await job_.client.locks.acquire("blob " + layer_.blob.digest.text());
        progress_->tell(Phase::waiting);
        async::Semaphore::Permit turn = co_await job_.client.downloads.acquire();
        co_await find_or_take_ingest();
        bool resumed = ingest_ && !ingest_->have().empty();
        std::shared_ptr<store::Ingest> ingest = ingest_;
        try {
            co_await run_once(failures);
            co_return true;
        } catch (const DigestMismatch&) {
            if (!ingest) throw;
            ingest->discard();
            ingest_.reset();
            if (!resumed && failures + 1 >= job_.repository.endpoints()) throw;
            log::info("{}: wrong digest; fetched anew", layer_.blob.digest.text());
        }
        co_return false;
    }

    async::Task<void> run_once(unsigned failures) {
        int root = build_ ? build_->root() : -1;
        LayerPipeline::Input input;
        input.ingest = ingest_;
        input.file = std::move(file_);
        input.digest = layer_.blob.digest;
        input.size = static_cast<uint64_t>(layer_.blob.size);
        input.diff_id = layer_.diff_id;
        if (root >= 0) input.max_unpacked = unpack_limit(input.size, root);
        verified_->reset();
        async::Context& context = job_.client.context;
        auto verified = [&context, event = verified_] { context.post([event] { event->set(); }); };
        std::weak_ptr<LayerPipeline> self;
        auto tell = [progress = progress_, &self] {
            if (auto pipeline = self.lock()) progress->unpacked(pipeline->consumed());
        };
        auto pipeline =
            std::make_shared<LayerPipeline>(std::move(input), std::move(verified), std::move(tell));
        self = pipeline;
        unpacked_ = {};
        if (!ingest_) progress_->set_downloaded();
        auto work = [this, pipeline, root] { unpacked_ = pipeline->run(root); };
        auto stop = [pipeline] { pipeline->stop(); };
        WorkThread thread(context, std::move(work), std::move(stop));
        std::vector<async::Task<void>> parts;
        parts.push_back(thread.wait());
        parts.push_back(publish());
        if (ingest_) parts.push_back(download(failures));
        co_await async::all_of(std::move(parts));
    }

    async::Task<void> download(unsigned failures) {
        DownloadOptions options;
        options.parallel_threshold = job_.client.config.parallel_range_threshold;
        options.connections = job_.client.config.ranges_per_layer;
        options.failures = failures;
        options.received = [progress = progress_](uint64_t bytes) { progress->received(bytes); };
        options.retrying = [progress = progress_](const std::string&, std::chrono::milliseconds wait) {
            auto seconds = (wait.count() + 999) / 1000;
            progress->tell(Phase::retrying, 0, fmt::format("{} second{}", seconds, seconds == 1 ? "" : "s"));
        };
        co_await download_blob(job_.repository, layer_.blob, ingest_, std::move(options));
        progress_->tell(Phase::verifying);
    }

    /// The blob goes into the store when its bytes have come, beside the unpacking of them.
    async::Task<void> publish() {
        co_await verified_->wait();
        if (ingest_) {
            std::function<void()> commit = [ingest = ingest_, digest = layer_.blob.digest] {
                ingest->commit(digest, false);
            };
            progress_->tell(Phase::download_complete);
            progress_->set_downloaded();
            co_await async::run_blocking(std::move(commit));
        }
        progress_->set_downloaded();
    }

    PullJob& job_;
    PullLayer& layer_;
    std::shared_ptr<async::Event> verified_;
    std::shared_ptr<LayerProgress> progress_;
    std::unique_ptr<store::LayerBuild> build_;
    std::shared_ptr<store::Ingest> ingest_;
    UniqueFd file_;
    store::UnpackResult unpacked_;
};

}  // namespace

async::Task<void> pull_layer(PullJob& job, PullLayer& layer) {
    try {
        LayerWork work(job, layer);
        co_await work.pull();
    } catch (Error& error) {
        error.add_context(
            fmt::format("layer {} of {} ({})", layer.number, layer.count, layer.blob.digest.text()));
        throw;
    }
}

async::Task<void> pull_blob(PullJob& job, PullLayer& layer) {
    try {
        LayerWork work(job, layer);
        co_await work.pull_only();
    } catch (Error& error) {
        error.add_context(
            fmt::format("blob {} of {} ({})", layer.number, layer.count, layer.blob.digest.text()));
        throw;
    }
}

}  // namespace berth::registry
