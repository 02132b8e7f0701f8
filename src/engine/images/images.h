// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "async/context.h"
#include "registry/client/client.h"
#include "spec/api/filters.h"
#include "spec/api/system_views.h"
#include "spec/credentials.h"
#include "spec/image.h"
#include "spec/reference.h"
#include "store/images.h"

/// Images as the API has them: what the store keeps, what registries give, and who uses them.
namespace berth::engine {

class Events;

/// An image and its configuration, read once and shared by the containers made of it.
struct ImageFacts {
    store::Image image;
    spec::ImageConfig config;
};

/// Which containers use an image: asked before one is removed.
struct ImageUse {
    std::string container_id;
    bool running = false;
    int count = 0;  ///< how many containers
};

struct ImageListOptions {
    bool all = false;          ///< steps towards other images too
    bool shared_size = false;  ///< of layers that several images have
    bool manifests = false;
    bool containers = false;  ///< how many use it
    /// before, dangling, label, reference, since, until.
    spec::api::Filters filters;
};

/// What older versions of the API show beside the inspection.
struct ImageDetails {
    spec::api::ImageInspect image;
    std::string container;         ///< that it was committed from, by its configuration
    json::Value container_config;  ///< null where the configuration has none
};

struct ImageRemoveOptions {
    bool force = false;
    bool prune_parents = true;
};

struct PullRequest {
    spec::Reference reference;  ///< with a tag or a digest, unless all_tags
    bool all_tags = false;
    std::optional<spec::Platform> platform;
    spec::Credentials credentials;  ///< for the reference's registry
};

struct PushRequest {
    spec::Reference reference;
    bool all_tags = false;
    std::optional<spec::Platform> platform;
    spec::Credentials credentials;
};

struct LoadRequest {
    std::optional<spec::Platform> platform;
    bool quiet = true;
};

struct ImportRequest {
    std::string source;  ///< for the default message: "-" or a URL
    std::optional<spec::Reference> name;
    std::string message;
    std::optional<spec::Platform> platform;
    std::vector<std::string> changes;
};

struct CommitRequest {
    std::string snapshot;  ///< the container's
    std::string base;      ///< id of the image that it was made from; "" for none
    spec::ImageRunConfig config;
    std::string author, comment, created_by;
    std::optional<spec::Reference> name;
};

struct SearchRequest {
    std::string term;
    int limit = 25;
    spec::api::Filters filters;  ///< is-automated, is-official, stars
    spec::Credentials credentials;
};

/// Takes lines of Docker's streams ("{"status":…}\r\n"), on the thread of the operation.
using LineSink = std::function<void(std::string line)>;
/// The next bytes of a request's body; 0 at its end.
using BodyReader = std::function<async::Task<size_t>(std::span<std::byte> into)>;
using BodyWriter = std::function<async::Task<void>(std::span<const std::byte> data)>;

/// Belongs to the control context, but for the transfers. What blocks runs on the pools.
class Images {
  public:
    /// `users` gives, for each image id ("sha256:…"), a container that uses it (a running one first).
    struct Options {
        registry::ClientConfig registry;
        std::string driver = "overlay2";  ///< as inspections name it
        std::function<std::map<std::string, ImageUse>()> users;
    };
    Images(async::Context& control, async::Context& streams, store::Store& store, Events& events,
           Options options);
    /// No operation may be under way.
    ~Images();

    store::Store& store();
    /// For create: by name, digest, id or prefix. not_found "No such image: x:latest". With a platform that
    /// the image is not for: not_found in Docker's words.
    async::Task<std::shared_ptr<const ImageFacts>> resolve(std::string text,
                                                           std::optional<spec::Platform> platform);
    /// SIGHUP: mirrors, insecure registries, limits. Operations under way go on with the old ones.
    void reconfigure(registry::ClientConfig config);

    /// The latest first. invalid_argument for filters that there are not.
    async::Task<std::vector<spec::api::ImageSummary>> list(ImageListOptions options);
    async::Task<ImageDetails> inspect(std::string name, bool manifests,
                                      std::optional<spec::Platform> platform);
    async::Task<std::vector<spec::api::HistoryItem>> history(std::string name,
                                                             std::optional<spec::Platform> platform);
    async::Task<void> tag(std::string name, spec::Reference target);
    /// conflict, in Docker's words, where containers or other images use it.
    async::Task<std::vector<spec::api::ImageDeleteItem>> remove(std::string name, ImageRemoveOptions options);
    /// dangling (true unless told otherwise), label, label!, until. conflict while another one runs.
    async::Task<spec::api::ImagesPruneReport> prune(spec::api::Filters filters);
    /// The id of the new image. Nobody may write to the snapshot meanwhile.
    async::Task<std::string> commit(CommitRequest request);
    /// What the store takes on disk.
    async::Task<store::Usage> usage();
    async::Task<int64_t> count();

    /// An identity token, or "".
    async::Task<std::string> login(std::string server, spec::Credentials credentials);
    async::Task<spec::api::DistributionInspect> distribution(spec::Reference name,
                                                             spec::Credentials credentials);
    async::Task<std::vector<spec::api::ImageSearchResult>> search(SearchRequest request);

    // --- transfers: to be awaited on the stream context (http::Response::run_on); `lines` is called there
    // ----

    /// Errors before the first line are the request's, those after it the stream's.
    async::Task<void> pull(PullRequest request, LineSink lines);
    async::Task<void> push(PushRequest request, LineSink lines);
    async::Task<void> load(BodyReader body, LoadRequest request, LineSink lines);
    async::Task<void> import(BodyReader body, ImportRequest request, LineSink lines);
    /// import() of what a URL gives.
    async::Task<void> import_url(ImportRequest request, LineSink lines);
    /// A tar archive of several images; `started` is called once all are found.
    async::Task<void> save(std::vector<std::string> names, std::function<async::Task<void>()> started,
                           BodyWriter body);

    struct State;  ///< for engine/images alone

  private:
    std::shared_ptr<State> state_;
};

}  // namespace berth::engine
