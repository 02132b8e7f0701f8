// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/strings.h"
#include "http/server.h"
#include "registry/client/client.h"
#include "spec/image.h"
#include "store/compression.h"
#include "sys/file.h"
#include "sys/tar_writer.h"

/// For tests: a registry in the same loop whose misbehaviour is scripted.
namespace berth::registry::test {

class TempDir {
  public:
    TempDir() {
        std::string name = "/tmp/berth-registry-XXXXXX";
        if (!::mkdtemp(name.data())) throw errno_error(errno, "mkdtemp");
        path_ = name;
    }
    ~TempDir() {
        UniqueFd tmp = sys::open_file("/tmp", O_RDONLY | O_DIRECTORY);
        sys::remove_tree_at(tmp.get(), path_.substr(5));
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

/// A layer's tar with the given files.
inline std::string make_tar(const std::map<std::string, std::string>& files) {
    sys::TextSink sink;
    sys::TarWriter writer(sink);
    for (const auto& [name, content] : files) {
        sys::TarHeader header;
        header.path = name;
        header.mode = 0644;
        writer.add_file(header, content);
    }
    writer.finish();
    return sink.text;
}

inline std::string gzip(std::string_view data) {
    sys::TextSink sink;
    auto compressor = store::make_compressor(sink, store::Compression::gzip);
    compressor->write(sys::bytes_of(data));
    compressor->finish();
    return sink.text;
}

/// Bytes that don't compress, the same ones each time.
inline std::string noise(size_t size) {
    std::string result(size, '\0');
    uint64_t state = 0x9e3779b97f4a7c15;
    for (char& c : result) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        c = static_cast<char>(state >> 32);
    }
    return result;
}

struct TestImage {
    std::string manifest, config;
    std::vector<std::string> tars, layers;  ///< plain, compressed
    Digest digest() const { return Digest::of(manifest); }
    Digest id() const { return Digest::of(config); }
};

/// From plain tars; `blobs` in their place of the gzip ones where given.
inline TestImage make_image(std::vector<std::string> tars, std::string architecture = "amd64") {
    TestImage image;
    spec::ImageConfig config;
    config.os = "linux";
    config.architecture = std::move(architecture);
    spec::Manifest manifest;
    manifest.mediaType = spec::media::kOciManifest;
    for (std::string& tar : tars) {
        config.rootfs.diff_ids.push_back(Digest::of(tar));
        image.layers.push_back(gzip(tar));
        spec::Descriptor layer;
        layer.mediaType = spec::media::kOciLayerGzip;
        layer.digest = Digest::of(image.layers.back());
        layer.size = static_cast<int64_t>(image.layers.back().size());
        manifest.layers.push_back(std::move(layer));
    }
    image.tars = std::move(tars);
    image.config = spec::print_image_config(config);
    manifest.config.mediaType = spec::media::kOciConfig;
    manifest.config.digest = Digest::of(image.config);
    manifest.config.size = static_cast<int64_t>(image.config.size());
    image.manifest = spec::print_manifest(manifest);
    return image;
}

/// What the distribution specification asks for, as far as a client sees it; `intercept` comes first and says
/// whether it has answered.
class FakeRegistry {
  public:
    using Intercept = std::function<async::Task<bool>(http::Request&, http::Response&)>;

    explicit FakeRegistry(async::Context& context, std::string host = "127.0.0.1")
        : server_(context, http::ServerOptions{}, [this](http::Request& request, http::Response& response) {
              return handle(request, response);
          }) {
        async::Address address;
        address.host = host;
        port_ = server_.listen(address).port;
    }

    std::string authority() const { return "127.0.0.1:" + std::to_string(port_); }
    std::string url() const { return "http://" + authority(); }
    spec::Reference name(std::string_view path) const {
        return spec::Reference::parse(authority() + '/' + std::string(path));
    }

    void add(const TestImage& image, const std::string& repository, const std::string& tag) {
        for (const std::string& layer : image.layers) blobs[Digest::of(layer).text()] = layer;
        blobs[image.id().text()] = image.config;
        add_manifest(image.manifest, std::string(spec::media::kOciManifest), repository, tag);
    }
    void add_manifest(const std::string& text, const std::string& type, const std::string& repository,
                      const std::string& tag) {
        manifests[repository + ':' + tag] = {type, text};
        manifests[repository + ':' + Digest::of(text).text()] = {type, text};
    }
    /// Requests whose "METHOD target" contains `part`.
    size_t count(std::string_view part) const {
        size_t result = 0;
        for (const std::string& line : log)
            if (line.find(part) != std::string::npos) ++result;
        return result;
    }

    std::map<std::string, std::string> blobs;  ///< by digest
    std::map<std::string, std::pair<std::string, std::string>> manifests;
    std::map<std::string, std::string> uploads;
    Intercept intercept;
    std::vector<std::string> log;  ///< "METHOD target [Range] [Authorization]"
    bool ranges = true;
    std::set<std::string> mountable;

  private:
    async::Task<void> handle(http::Request& request, http::Response& response) {
        log.push_back(fmt::format("{} {} {} {}", request.method, request.target, request.headers.get("Range"),
                                  request.headers.get("Authorization")));
        if (intercept) {
            bool answered = co_await intercept(request, response);
            if (answered) co_return;
        }
        std::string path = request.path;
        if (path == "/v2/") {
            co_await response.send("{}");
            co_return;
        }
        size_t at;
        if ((at = path.find("/manifests/")) != std::string::npos) {
            co_await manifest(request, response, path.substr(4, at - 4), path.substr(at + 11));
        } else if ((at = path.find("/blobs/uploads/")) != std::string::npos) {
            co_await upload(request, response, path.substr(at + 15));
        } else if ((at = path.find("/blobs/")) != std::string::npos) {
            co_await blob(request, response, path.substr(at + 7));
        } else {
            co_await fail(response, 404, "NAME_UNKNOWN", "repository name not known to registry");
        }
    }

  public:
    static async::Task<void> fail(http::Response& response, int status, std::string code,
                                  std::string message) {
        response.status = status;
        response.headers.set("Content-Type", "application/json");
        std::string body =
            fmt::format(R"({{"errors":[{{"code":"{}","message":"{}","detail":{{}}}}]}})", code, message);
        co_await response.send(std::move(body));
    }

  private:
    async::Task<void> manifest(http::Request& request, http::Response& response, std::string repository,
                               std::string reference) {
        if (request.method == "PUT") {
            std::string body = co_await request.read_all(4 << 20);
            add_manifest(body, std::string(request.headers.get("Content-Type")), repository, reference);
            response.status = 201;
            co_await response.send();
            co_return;
        }
        auto found = manifests.find(repository + ':' + reference);
        if (found == manifests.end()) {
            co_await fail(response, 404, "MANIFEST_UNKNOWN", "manifest unknown");
            co_return;
        }
        response.headers.set("Content-Type", found->second.first);
        response.headers.set("Docker-Content-Digest", Digest::of(found->second.second).text());
        std::string body = found->second.second;
        co_await response.send(std::move(body));
    }

    async::Task<void> blob(http::Request& request, http::Response& response, std::string digest) {
        auto found = blobs.find(digest);
        if (found == blobs.end()) {
            co_await fail(response, 404, "BLOB_UNKNOWN", "blob unknown to registry");
            co_return;
        }
        std::string body = found->second;
        std::string_view range = request.headers.get("Range");
        if (ranges && range.starts_with("bytes=")) {
            range.remove_prefix(6);
            auto first = *parse_number<uint64_t>(range.substr(0, range.find('-')));
            auto last = *parse_number<uint64_t>(range.substr(range.find('-') + 1));
            response.status = 206;
            response.headers.set("Content-Range", fmt::format("bytes {}-{}/{}", first, last, body.size()));
            body = body.substr(first, last - first + 1);
        }
        if (request.method == "HEAD") body.clear();
        co_await response.send(std::move(body));
    }

    async::Task<void> upload(http::Request& request, http::Response& response, std::string id) {
        std::string body = co_await request.read_all(64 << 20);
        if (request.method == "POST") {
            std::string mount(request.query.get("mount"));
            if (mountable.contains(mount)) {
                blobs[mount];
                response.status = 201;
            } else {
                std::string made = std::to_string(uploads.size() + 1);
                uploads[made];
                response.status = 202;
                response.headers.set("Location", std::string(request.path) + made);
            }
        } else if (request.method == "PATCH") {
            uploads[id] += body;
            response.status = 202;
            response.headers.set("Location", request.path);
        } else {
            std::string content = uploads[id] + body;
            std::string digest(request.query.get("digest"));
            if (Digest::of(content).text() != digest) {
                co_await fail(response, 400, "DIGEST_INVALID",
                              "provided digest did not match uploaded content");
                co_return;
            }
            blobs[digest] = content;
            response.status = 201;
        }
        co_await response.send();
    }

    http::Server server_;
    uint16_t port_ = 0;
};

/// A context, a store and a client with short delays.
class RegistryWorld {
  public:
    RegistryWorld() : store_(store::Store::Options{.root = dir_.path() + "/root"}) {
        config.retry_delay = std::chrono::milliseconds(2);
        config.idle_timeout = std::chrono::milliseconds(300);
        config.certs_dirs.clear();
    }

    Client& client() {
        if (!client_) client_ = std::make_unique<Client>(context, config);
        return *client_;
    }
    PullResult pull(const spec::Reference& name,
                    std::optional<spec::Credentials> credentials = std::nullopt) {
        PullOptions options;
        options.platform = spec::Platform::parse("linux/amd64");
        options.progress = [this](const Progress& told) { heard.push_back(told); };
        CredentialSource source = [credentials](const std::string&) { return credentials; };
        return context.block_on(client().pull(store_, name, std::move(source), std::move(options)));
    }
    PushResult push(const spec::Reference& name, PushOptions options = {}) {
        options.progress = [this](const Progress& told) { heard.push_back(told); };
        return context.block_on(client().push(store_, name, {}, std::move(options)));
    }
    store::Store& store() { return store_; }
    const std::string& root() const { return dir_.path(); }
    std::vector<std::string> messages() const {
        std::vector<std::string> result;
        for (const Progress& told : heard)
            if (told.phase == Progress::Phase::message)
                result.push_back(told.id.empty() ? told.text : told.id + ": " + told.text);
        return result;
    }
    size_t count(Progress::Phase phase) const {
        size_t result = 0;
        for (const Progress& told : heard)
            if (told.phase == phase) ++result;
        return result;
    }

    async::Context context;
    ClientConfig config;
    std::vector<Progress> heard;

  private:
    TempDir dir_;
    store::Store store_;
    std::unique_ptr<Client> client_;
};

/// A registry and a client, and an image of three layers.
class RegistryClient : public ::testing::Test {
  protected:
    std::string failure(const spec::Reference& name,
                        std::optional<spec::Credentials> credentials = std::nullopt) {
        try {
            world.pull(name, std::move(credentials));
        } catch (const Error& error) {
            return error.what();
        }
        return "no failure";
    }
    /// What the store holds of an image, or its ingests, after a failure.
    void expect_nothing_left() {
        EXPECT_TRUE(world.store().list({}).empty());
        EXPECT_TRUE(world.store().blobs().list().empty());
        EXPECT_TRUE(world.store().snapshots().layers().empty());
        UniqueFd ingest = sys::open_file(world.root() + "/root/ingest", O_RDONLY | O_DIRECTORY);
        EXPECT_TRUE(sys::list_dir(ingest.get()).empty());
    }

    RegistryWorld world;
    FakeRegistry registry{world.context};
    TestImage image =
        make_image({make_tar({{"a", "1"}}), make_tar({{"b", noise(300'000)}}), make_tar({{"c", "3"}})});
};

}  // namespace berth::registry::test
