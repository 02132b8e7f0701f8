// SPDX-License-Identifier: Apache-2.0
#include "registry/client/layer_pipeline.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "store/compression.h"
#include "store/pipeline.h"

namespace berth::registry {

namespace {

/// Gives a few bytes to look at before they are read.
class PeekedSource : public sys::ByteSource {
  public:
    explicit PeekedSource(sys::ByteSource& from) : from_(from) {
        while (filled_ < head_.size()) {
            size_t count = from_.read(std::span(head_).subspan(filled_));
            if (count == 0) break;
            filled_ += count;
        }
    }
    std::span<const std::byte> head() const { return std::span(head_).first(filled_); }

    size_t read(std::span<std::byte> into) override {
        if (given_ == filled_) return from_.read(into);
        size_t count = std::min(into.size(), filled_ - given_);
        std::memcpy(into.data(), head_.data() + given_, count);
        given_ += count;
        return count;
    }

  private:
    sys::ByteSource& from_;
    std::array<std::byte, 16> head_{};
    size_t filled_ = 0, given_ = 0;
};

void drain(sys::ByteSource& source) {
    std::vector<std::byte> buffer(64 << 10);
    while (source.read(buffer) > 0) {
    }
}

}  // namespace

/// The compressed bytes, hashed. At their end the digest is compared, before anybody sees the end.
class LayerPipeline::Source : public sys::ByteSource {
  public:
    explicit Source(LayerPipeline& owner)
        : owner_(owner),
          file_(owner.input_.file.get(), owner.input_.digest.text()),
          hasher_(owner.input_.digest.algorithm()) {}

    size_t read(std::span<std::byte> into) override {
        if (ended_ || into.empty()) return 0;
        if (owner_.stopped_.load(std::memory_order_relaxed)) throw Error(ErrorKind::unavailable, "stopped");
        size_t count =
            owner_.input_.ingest ? owner_.input_.ingest->read_prefix(position_, into) : file_.read(into);
        if (count == 0) {
            finish();
            return 0;
        }
        hasher_.update(into.first(count));
        position_ += count;
        owner_.consumed_.store(position_, std::memory_order_relaxed);
        return count;
    }

  private:
    void finish() {
        if (hasher_.finish() != owner_.input_.digest || position_ != owner_.input_.size)
            throw DigestMismatch(owner_.input_.digest);
        ended_ = true;
        if (owner_.verified_) owner_.verified_();
    }

    LayerPipeline& owner_;
    sys::FdSource file_;
    Hasher hasher_;
    uint64_t position_ = 0;
    bool ended_ = false;
};

LayerPipeline::LayerPipeline(Input input, std::function<void()> verified, std::function<void()> progress)
    : input_(std::move(input)), verified_(std::move(verified)), progress_(std::move(progress)) {}

store::UnpackResult LayerPipeline::run(int root) {
    Source source(*this);
    if (root < 0) {
        drain(source);
        return {};
    }
    std::exception_ptr failure;
    try {
        return unpack_from(source, root);
    } catch (const DigestMismatch&) {
        throw;
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::invalid_argument) throw;
        failure = std::current_exception();
    }
    // What can't be unpacked is most often not what was meant to come: then the digest is what is wrong. That
    // takes the rest of the bytes; where they don't come, that is the error.
    drain(source);
    std::rethrow_exception(failure);
}

store::UnpackResult LayerPipeline::unpack_from(Source& source, int root) {
    PeekedSource peeked(source);
    std::unique_ptr<sys::ByteSource> tar =
        store::make_decompressor(peeked, store::detect_compression(peeked.head()));
    store::ReadAhead ahead(*tar);
    store::LimitedSource limited(ahead, input_.max_unpacked, "the unpacked layer");
    store::HashingSource hashed(limited, input_.diff_id.algorithm());
    store::UnpackOptions options;
    options.progress = [this](uint64_t) {
        if (stopped_.load(std::memory_order_relaxed)) throw Error(ErrorKind::unavailable, "stopped");
        if (progress_) progress_();
    };
    store::UnpackResult result = store::unpack(hashed, root, options);
    drain(hashed);
    if (hashed.digest() != input_.diff_id)
        throw Error(ErrorKind::invalid_argument, "layers from manifest don't match image configuration");
    return result;
}

void LayerPipeline::stop() {
    stopped_.store(true, std::memory_order_relaxed);
    if (input_.ingest) input_.ingest->fail(std::make_exception_ptr(Error(ErrorKind::unavailable, "stopped")));
}

uint64_t unpack_limit(uint64_t compressed, int root) {
    constexpr uint64_t kRatio = 1000, kLeast = 1u << 30;
    uint64_t limit = compressed > UINT64_MAX / kRatio ? UINT64_MAX : std::max(compressed * kRatio, kLeast);
    struct statvfs space{};
    if (::fstatvfs(root, &space) == 0) limit = std::min<uint64_t>(limit, space.f_bavail * space.f_frsize);
    return limit;
}

struct WorkThread::Outcome {
    explicit Outcome(async::Context& context) : ended(context) {}
    async::Event ended;
    std::exception_ptr error;  ///< the thread's until `ended` is set
};

WorkThread::WorkThread(async::Context& context, std::function<void()> work, std::function<void()> stop)
    : outcome_(std::make_shared<Outcome>(context)), stop_(std::move(stop)) {
    thread_ = std::thread([&context, work = std::move(work), outcome = outcome_] {
        try {
            work();
        } catch (...) {
            outcome->error = std::current_exception();
        }
        context.post([outcome] { outcome->ended.set(); });
    });
}

WorkThread::~WorkThread() {
    if (!outcome_->ended.is_set()) stop_();
    thread_.join();
}

async::Task<void> WorkThread::wait() {
    std::shared_ptr<Outcome> outcome = outcome_;
    co_await outcome->ended.wait();
    if (outcome->error) std::rethrow_exception(outcome->error);
}

}  // namespace berth::registry
