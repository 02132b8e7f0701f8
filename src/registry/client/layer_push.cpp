// SPDX-License-Identifier: Apache-2.0
#include "registry/client/layer_push.h"

#include <algorithm>
#include <atomic>

#include "base/strings.h"
#include "registry/client/layer_pipeline.h"
#include "registry/client/upload.h"

namespace berth::registry {

namespace {

using Phase = Progress::Phase;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kProgressStep{100};
constexpr size_t kMaxCandidates = 4;

class IngestSink : public sys::ByteSink {
  public:
    IngestSink(store::Ingest& to, const std::atomic<bool>& stopped) : to_(to), stopped_(stopped) {}
    void write(std::span<const std::byte> data) override {
        if (stopped_.load(std::memory_order_relaxed)) throw Error(ErrorKind::unavailable, "stopped");
        to_.write_at(offset_, data);
        offset_ += data.size();
    }

  private:
    store::Ingest& to_;
    const std::atomic<bool>& stopped_;
    uint64_t offset_ = 0;
};

/// The layer of `chain_id` as a new blob. Runs in a thread of its own.
store::LayerBlob make_blob(PushJob& job, const Digest& diff_id, const Digest& chain_id,
                           std::atomic<bool>& stopped) {
    auto ingest = job.store.blobs().ingest(*job.lease, random_hex(16), std::nullopt, std::chrono::seconds(1));
    if (!ingest) throw Error(ErrorKind::unavailable, "no room for the compressed layer");
    store::LayerBlob made;
    made.diff_id = diff_id;
    try {
        IngestSink file(*ingest, stopped);
        store::HashingSink hashed(file);
        auto compressor = store::make_compressor(hashed, job.compression);
        job.store.write_layer(chain_id, *compressor);
        compressor->finish();
        made.blob.size = static_cast<int64_t>(hashed.count());
        made.blob.digest = hashed.digest();
        made.blob.mediaType = layer_media_type(job.compression, job.oci);
        ingest->set_size(hashed.count());
        ingest->commit(made.blob.digest, false);
    } catch (...) {
        ingest->discard();  // nothing would ever resume it
        throw;
    }
    job.store.record_layer_blob(made);
    return made;
}

class LayerUpload {
  public:
    LayerUpload(PushJob& job, PushLayer& layer) : job_(job), layer_(layer) {}

    async::Task<void> run() {
        async::Semaphore::Permit turn = co_await job_.client.uploads.acquire();
        std::vector<spec::Descriptor> candidates = co_await find_candidates();
        for (spec::Descriptor& candidate : candidates) {
            bool done = co_await try_candidate(candidate);
            if (done) co_return;
        }
        if (layer_.chain_id.empty())
            throw make_error(ErrorKind::not_found, "blob {} is not in the store", layer_.known.digest.text());
        spec::Descriptor made = co_await make();
        bool done = co_await try_candidate(made);
        if (!done) throw Error(ErrorKind::internal, "a blob that was just made is gone");
    }

  private:
    void tell(Phase phase, uint64_t current = 0, uint64_t total = 0, std::string text = {}) const {
        job_.tell({phase, layer_.id(), std::move(text), current, total});
    }

    bool is_wanted(const spec::Descriptor& descriptor) const {
        if (descriptor.digest.empty()) return false;
        if (job_.keep_plain || layer_.chain_id.empty()) return true;
        return store::compression_of(descriptor.mediaType) != store::Compression::none;
    }

    /// Forms of the layer that are known: the one of the image's own manifest first.
    async::Task<std::vector<spec::Descriptor>> find_candidates() {
        std::function<std::vector<spec::Descriptor>()> find = [this] {
            std::vector<spec::Descriptor> result;
            if (is_wanted(layer_.known)) result.push_back(layer_.known);
            if (layer_.diff_id.empty()) return result;
            for (store::LayerBlob& blob : job_.store.blobs_of(layer_.diff_id)) {
                bool is_new = std::none_of(result.begin(), result.end(), [&](const spec::Descriptor& other) {
                    return other.digest == blob.blob.digest;
                });
                if (is_new && is_wanted(blob.blob) && result.size() < kMaxCandidates)
                    result.push_back(std::move(blob.blob));
            }
            return result;
        };
        std::vector<spec::Descriptor> result = co_await async::run_blocking(std::move(find));
        co_return result;
    }

    async::Task<bool> try_candidate(spec::Descriptor descriptor) {
        std::string key = "upload " + job_.target.name() + ' ' + descriptor.digest.text();
        KeyedLocks::Held lock = co_await job_.client.locks.acquire(std::move(key));
        bool there = co_await job_.repository.has_blob(descriptor.digest);
        if (there) {
            tell(Phase::exists_remotely);
            co_await done(descriptor);
            co_return true;
        }
        bool uploaded = co_await mount_or_upload(descriptor);
        if (uploaded) co_await done(descriptor);
        co_return uploaded;
    }

    async::Task<bool> mount_or_upload(const spec::Descriptor& descriptor) {
        std::string from;
        store::Blob blob;
        std::function<void()> look = [this, &descriptor, &from, &blob] {
            from = mount_source(descriptor.digest);
            if (job_.store.blobs().protect(*job_.lease, descriptor.digest))
                blob = job_.store.blobs().open(descriptor.digest);
        };
        co_await async::run_blocking(std::move(look));
        if (from.empty() && !blob.fd) co_return false;
        BlobUpload upload;
        upload.digest = descriptor.digest;
        upload.fd = blob.fd.get();
        upload.size = blob.size;
        upload.mount_from = from;
        upload.sent = [this, size = blob.size](uint64_t bytes) {
            auto now = steady_clock::now();
            if (now < next_ && bytes < size) return;
            next_ = now + kProgressStep;
            tell(Phase::pushing, bytes, size);
        };
        upload.retrying = [this](const std::string&, std::chrono::milliseconds wait) {
            auto seconds = (wait.count() + 999) / 1000;
            tell(Phase::retrying, 0, 0, fmt::format("{} second{}", seconds, seconds == 1 ? "" : "s"));
        };
        UploadOutcome outcome = co_await upload_blob(job_.repository, std::move(upload));
        if (outcome == UploadOutcome::not_mounted) co_return false;
        if (outcome == UploadOutcome::mounted)
            tell(Phase::mounted, 0, 0, from);
        else
            tell(Phase::pushed);
        co_return true;
    }

    /// A repository of the same registry that has the blob.
    std::string mount_source(const Digest& digest) const {
        std::string prefix = job_.target.domain() + '/';
        for (const std::string& source : job_.store.blob_sources(digest))
            if (source.starts_with(prefix) && source != job_.target.name())
                return source.substr(prefix.size());
        return {};
    }

    async::Task<void> done(spec::Descriptor descriptor) {
        std::function<void()> record = [this, digest = descriptor.digest] {
            job_.store.record_blob_source(digest, job_.target);
        };
        co_await async::run_blocking(std::move(record));
        layer_.pushed = std::move(descriptor);
        layer_.pushed.urls.clear();
    }

    async::Task<spec::Descriptor> make() {
        store::LayerBlob made;
        std::atomic<bool> stopped{false};
        auto work = [this, &made, &stopped] {
            made = make_blob(job_, layer_.diff_id, layer_.chain_id, stopped);
        };
        auto stop = [&stopped] { stopped.store(true, std::memory_order_relaxed); };
        WorkThread thread(job_.client.context, std::move(work), std::move(stop));
        co_await thread.wait();
        co_return made.blob;
    }

    PushJob& job_;
    PushLayer& layer_;
    steady_clock::time_point next_;
};

}  // namespace

std::string_view layer_media_type(store::Compression compression, bool oci) {
    switch (compression) {
        case store::Compression::none:
            return oci ? spec::media::kOciLayer : "application/vnd.docker.image.rootfs.diff.tar";
        case store::Compression::gzip:
            return oci ? spec::media::kOciLayerGzip : spec::media::kDockerLayerGzip;
        case store::Compression::zstd: return spec::media::kOciLayerZstd;
    }
    return "";
}

async::Task<void> push_layer(PushJob& job, PushLayer& layer) {
    try {
        LayerUpload upload(job, layer);
        co_await upload.run();
    } catch (Error& error) {
        error.add_context(fmt::format("layer {} of {} ({})", layer.number, layer.count,
                                      (layer.diff_id.empty() ? layer.known.digest : layer.diff_id).text()));
        throw;
    }
}

async::Task<void> push_blob(PushJob& job, spec::Descriptor descriptor) {
    bool there = co_await job.repository.has_blob(descriptor.digest);
    if (there) co_return;
    store::Blob blob;
    std::function<void()> open = [&job, &descriptor, &blob] {
        blob = job.store.blobs().open(descriptor.digest);
    };
    co_await async::run_blocking(std::move(open));
    BlobUpload upload;
    upload.digest = descriptor.digest;
    upload.fd = blob.fd.get();
    upload.size = blob.size;
    co_await upload_blob(job.repository, std::move(upload));
}

}  // namespace berth::registry
