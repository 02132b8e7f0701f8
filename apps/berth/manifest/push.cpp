// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>

#include "commands.h"
#include "manifest/manifest_commands.h"
#include "manifest/manifest_lists.h"

namespace berth::app {

namespace {

constexpr std::array kFlags{
    Flag{.name = "insecure", .kind = Flag::Kind::boolean, .usage = "Allow push to an insecure registry"},
    Flag{"purge", 'p', Flag::Kind::boolean, "Remove the local manifest list after push"},
};

void check_platforms(const std::vector<ListedManifest>& manifests) {
    for (const ListedManifest& manifest : manifests) {
        const std::optional<spec::Platform>& platform = manifest.descriptor.platform;
        if (!platform || platform->architecture.empty() || platform->os.empty())
            throw make_error(ErrorKind::invalid_argument,
                             "manifest {} must have an OS and Architecture to be pushed to a registry",
                             manifest.reference.text());
    }
}

/// Makes the blobs of an image that is in another repository of the registry the list's own too.
async::Task<void> mount_blobs(registry::Client& client, const spec::Reference& list,
                              const ListedManifest& manifest, registry::CredentialSource credentials) {
    spec::Manifest parsed = spec::parse_manifest(manifest.content);
    std::vector<spec::Descriptor> blobs{parsed.config};
    blobs.insert(blobs.end(), parsed.layers.begin(), parsed.layers.end());
    for (const spec::Descriptor& blob : blobs) {
        bool is_mounted =
            co_await client.mount_blob(list, blob.digest, manifest.reference.path(), credentials);
        // Layers of Windows are not for everybody to pass on.
        if (!is_mounted && manifest.descriptor.platform->os != "windows")
            throw make_error(ErrorKind::unavailable, "error mounting {}@{} to {}", manifest.reference.path(),
                             blob.digest.text(), list.text());
    }
}

async::Task<void> push(registry::Client& client, spec::Reference list, std::vector<ListedManifest> manifests,
                       ListDocument document, registry::CredentialSource credentials) {
    auto is_elsewhere = [&](const ListedManifest& manifest) {
        return manifest.reference.path() != list.path();
    };
    for (const ListedManifest& manifest : manifests)
        if (is_elsewhere(manifest)) co_await mount_blobs(client, list, manifest, credentials);
    for (const ListedManifest& manifest : manifests) {
        if (!is_elsewhere(manifest)) continue;
        spec::Reference name = list.with_digest(manifest.descriptor.digest);
        co_await client.put_manifest(name, manifest.descriptor.mediaType, manifest.content, credentials);
        print_out(
            fmt::format("Pushed ref {} with digest: {}\n", name.text(), manifest.descriptor.digest.text()));
    }
    co_await client.put_manifest(list, document.media_type, document.content, credentials);
    print_out(Digest::of(document.content).text() + '\n');
}

int run(Invocation& call) {
    spec::Reference list = parse_list_name(call.args[0]);
    ManifestLists lists(call.session);
    std::vector<ListedManifest> manifests = lists.all(list);
    if (manifests.empty()) throw make_error(ErrorKind::not_found, "{} not found", list.text());
    check_platforms(manifests);
    ListDocument document = list_document(list, manifests);
    registry::Client client(call.session.loop(), manifest_client(list, call.flags.boolean("insecure")));
    call.session.run(
        push(client, list, std::move(manifests), std::move(document), session_credentials(call.session)));
    if (call.flags.boolean("purge")) lists.remove(list);
    return 0;
}

}  // namespace

constexpr Command kManifestPushCommand{
    .name = "push",
    .summary = "Push a manifest list to a repository",
    .arguments = "[OPTIONS] MANIFEST_LIST",
    .flags = kFlags,
    .min_args = 1,
    .max_args = 1,
    .run = run,
    .experimental = true,
};

}  // namespace berth::app
