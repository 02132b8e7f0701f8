// SPDX-License-Identifier: Apache-2.0
// Images from and to tar streams, and images of containers. On the stream context: its pool has the threads
// for work that lasts.
#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "base/strings.h"
#include "engine/images/blocking_pipe.h"
#include "engine/images/images.h"
#include "engine/images/progress_lines.h"
#include "engine/images/state.h"
#include "http/client.h"
#include "store/archive.h"
#include "store/derive.h"

namespace berth::engine {

namespace {

constexpr size_t kBuffer = 256 * 1024;
constexpr std::chrono::milliseconds kBetweenNumbers{100};

/// What `body` gives goes into the pipe. A reader that has enough, or failed, ends it without a word.
async::Task<void> feed(BodyReader body, std::unique_ptr<async::Stream> into,
                       std::shared_ptr<std::atomic<bool>> complete) {
    std::vector<std::byte> buffer(kBuffer);
    while (true) {
        size_t n = co_await body(buffer);
        if (n == 0) break;
        try {
            co_await into->write(std::span<const std::byte>(buffer).first(n));
        } catch (const Error&) {
            co_return;
        }
    }
    complete->store(true);
}

/// Runs `work` on the pool with what `body` gives.
async::Task<void> with_body(async::Context& context, BodyReader body,
                            std::function<void(sys::ByteSource&)> work) {
    FeedPipe pipe = make_feed_pipe(context);
    auto source = std::make_shared<std::unique_ptr<PipeSource>>(std::move(pipe.source));
    std::function<void()> read = [source, work = std::move(work)] {
        // Closed at the end, whatever it is: the coroutine that writes must not wait.
        std::unique_ptr<PipeSource> own = std::move(*source);
        work(*own);
    };
    std::vector<async::Task<void>> both;
    both.push_back(async::run_blocking(std::move(read)));
    both.push_back(feed(std::move(body), std::move(pipe.writer), std::move(pipe.complete)));
    co_await async::all_of(std::move(both));
}

/// Numbers of layers from the pool, thinned out, on their way to the stream's thread.
class LoadProgress {
  public:
    LoadProgress(async::Context& context, LineSink lines) : context_(context), lines_(std::move(lines)) {}
    void show(const Digest& diff_id, uint64_t bytes) {
        auto now = std::chrono::steady_clock::now();
        if (diff_id == shown_ && now - time_ < kBetweenNumbers) return;
        shown_ = diff_id;
        time_ = now;
        std::string line = progress_line(diff_id.short_hex(), "Loading layer", bytes, 0);
        context_.post([lines = lines_, line = std::move(line)] { lines(line); });
    }

  private:
    async::Context& context_;
    LineSink lines_;
    Digest shown_;
    std::chrono::steady_clock::time_point time_;
};

void tell_loaded(const std::vector<store::Loaded>& loaded, const LineSink& lines) {
    for (const store::Loaded& image : loaded) {
        for (const auto& [name, old] : image.moved)
            lines(stream_line(
                fmt::format("The image {} already exists, renaming the old one with ID {} to empty string\n",
                            name.familiar(), old.text())));
        for (const spec::Reference& name : image.names)
            lines(stream_line(fmt::format("Loaded image: {}\n", name.familiar())));
        if (image.names.empty()) lines(stream_line(fmt::format("Loaded image ID: {}\n", image.image.text())));
    }
}

void publish_with_labels(Images::State& state, const std::string& action, const std::string& id) {
    std::map<std::string, std::string> attributes = labels_of(state, id);
    attributes["name"] = id;
    state.publish(action, id, std::move(attributes));
}

store::NewImageText text_of(const ImportRequest& request) {
    store::NewImageText text;
    text.message = request.message.empty() ? "Imported from " + request.source : request.message;
    text.changes = request.changes;
    if (request.name) text.names = {request.name->with_default_tag()};
    return text;
}

/// Where redirections lead to in the end.
async::Task<std::unique_ptr<http::ClientResponse>> fetch(http::Client& client, http::Url url) {
    constexpr int kMaxRedirects = 10;
    for (int hops = 0;; ++hops) {
        http::ClientRequest request;
        request.url = url;
        std::unique_ptr<http::ClientResponse> response = co_await client.send(std::move(request));
        if (response->status >= 200 && response->status < 300) co_return response;
        std::string location(response->headers.get("Location"));
        if (response->status >= 300 && response->status < 400 && !location.empty() && hops < kMaxRedirects) {
            url = url.resolve(location);
            continue;
        }
        throw make_error(ErrorKind::internal, "failed to GET {} with status {} {}", url.text(),
                         response->status, http::reason_phrase(response->status));
    }
}

async::Task<size_t> read_and_tell(std::shared_ptr<http::ClientResponse> from, std::span<std::byte> into,
                                  std::shared_ptr<uint64_t> count, std::shared_ptr<ProgressLines> progress) {
    size_t n = co_await from->read_some(into);
    *count += n;
    registry::Progress told;
    told.phase = registry::Progress::Phase::downloading;
    told.current = *count;
    told.total = from->content_length.value_or(0);
    if (n > 0) progress->show(told);
    co_return n;
}

/// An image's configuration: the base's, with another way to run and one layer more.
std::string write_commit(store::Store& store, const CommitRequest& request) {
    spec::ImageConfig config;
    store::NewImage image;
    std::optional<store::Image> base;
    if (!request.base.empty()) base = store.get(request.base);
    if (base) {
        config = store.config(*base);
        image.layers = base->layers;
        image.parent = base->id;
    } else {
        spec::Platform host = spec::Platform::host();
        config.os = host.os;
        config.architecture = host.architecture;
        config.variant = host.variant;
    }
    config.config = request.config;
    config.created = rfc3339(now_ns());
    config.author = request.author;
    store::Lease lease = store.blobs().lease("commit");
    store::LayerBlob layer = store.commit_layer(lease, request.snapshot, std::nullopt);
    config.rootfs.diff_ids.push_back(layer.diff_id);
    image.layers.push_back(std::move(layer));
    spec::History entry;
    entry.created = config.created;
    entry.author = request.author;
    entry.created_by = request.created_by;
    entry.comment = request.comment;
    config.history.push_back(std::move(entry));
    image.config = store.blobs().put(lease, spec::print_image_config(config)).digest;
    if (request.name) image.names = {request.name->with_default_tag()};
    return store.add(lease, image).id.text();
}

}  // namespace

async::Task<void> Images::load(BodyReader body, LoadRequest request, LineSink lines) {
    std::shared_ptr<State> state = state_;
    auto loaded = std::make_shared<std::vector<store::Loaded>>();
    store::LoadOptions options;
    options.platform = request.platform;
    if (!request.quiet) {
        auto progress = std::make_shared<LoadProgress>(state->streams, lines);
        options.progress = [progress](const Digest& diff_id, uint64_t bytes) {
            progress->show(diff_id, bytes);
        };
    }
    std::function<void(sys::ByteSource&)> work = [state, loaded, options](sys::ByteSource& from) {
        *loaded = store::load_archive(state->store, from, options);
        for (const store::Loaded& image : *loaded) publish_with_labels(*state, "load", image.image.text());
    };
    co_await with_body(state->streams, std::move(body), std::move(work));
    state->sync_soon();
    tell_loaded(*loaded, lines);
}

async::Task<void> Images::import(BodyReader body, ImportRequest request, LineSink lines) {
    std::shared_ptr<State> state = state_;
    auto id = std::make_shared<std::string>();
    store::NewImageText text = text_of(request);
    spec::Platform platform = request.platform.value_or(spec::Platform::host());
    std::function<void(sys::ByteSource&)> work = [state, id, text, platform](sys::ByteSource& from) {
        *id = store::import_image(state->store, from, platform, text).id.text();
        publish_with_labels(*state, "import", *id);
    };
    co_await with_body(state->streams, std::move(body), std::move(work));
    state->sync_soon();
    lines(status_line(*id));
}

async::Task<void> Images::import_url(ImportRequest request, LineSink lines) {
    http::ClientOptions options;
    options.proxy = http::ClientOptions::proxy_from_environment();
    http::Client client(state_->streams, std::move(options));
    http::Url url = http::Url::parse(request.source);
    std::string shown = url.text();
    std::shared_ptr<http::ClientResponse> response = co_await fetch(client, std::move(url));
    lines(status_line("Downloading from " + shown));
    auto progress = std::make_shared<ProgressLines>(lines);
    auto count = std::make_shared<uint64_t>(0);
    BodyReader body = [response, count, progress](std::span<std::byte> into) {
        return read_and_tell(response, into, count, progress);
    };
    co_await import(std::move(body), std::move(request), std::move(lines));
}

async::Task<void> Images::save(std::vector<std::string> names, std::function<async::Task<void>()> started,
                               BodyWriter body) {
    std::shared_ptr<State> state = state_;
    DrainPipe pipe = make_drain_pipe(state->streams);
    auto sink = std::make_shared<std::unique_ptr<PipeSink>>(std::move(pipe.sink));
    std::function<void()> work = [state, sink, names = std::move(names)] {
        std::unique_ptr<PipeSink> own = std::move(*sink);
        store::save_archive(state->store, names, *own, store::SaveFormat::docker);
        for (const std::string& name : names)
            if (std::optional<store::Image> image = state->store.find(name))
                publish_with_labels(*state, "save", image->id.text());
    };
    auto drain = [](std::unique_ptr<async::Stream> from, std::function<async::Task<void>()> on_start,
                    BodyWriter to) -> async::Task<void> {
        std::vector<std::byte> buffer(kBuffer);
        for (bool is_started = false;;) {
            size_t n = co_await from->read_some(buffer);
            if (n == 0) break;
            if (!std::exchange(is_started, true)) co_await on_start();
            co_await to(std::span<const std::byte>(buffer).first(n));
        }
    };
    std::vector<async::Task<void>> both;
    both.push_back(async::run_blocking(std::move(work)));
    both.push_back(drain(std::move(pipe.reader), std::move(started), std::move(body)));
    co_await async::all_of(std::move(both));
}

async::Task<std::string> Images::commit(CommitRequest request) {
    std::shared_ptr<State> state = state_;
    std::function<std::string()> work = [&] { return write_commit(state->store, request); };
    std::string id = co_await run_in_bulk(state->streams, std::move(work));
    state->sync_soon();
    co_return id;
}

}  // namespace berth::engine
