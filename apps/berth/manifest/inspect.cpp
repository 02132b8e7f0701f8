// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "commands.h"
#include "manifest/manifest_commands.h"
#include "manifest/manifest_lists.h"

namespace berth::app {

namespace {

constexpr std::array kFlags{
    Flag{.name = "insecure",
         .kind = Flag::Kind::boolean,
         .usage = "Allow communication with an insecure registry"},
    Flag{"verbose", 'v', Flag::Kind::boolean, "Output additional info including layers and platform"},
};

std::string manifest_text(const ListedManifest& manifest, bool verbose) {
    if (verbose) return json::print_indented(to_json(manifest), "\t");
    if (manifest.content.empty())
        throw make_error(ErrorKind::invalid_argument, "{} has no payload", manifest.reference.text());
    return json::print_indented(json::parse(manifest.content), "\t");
}

std::string list_text(const spec::Reference& list, const std::vector<ListedManifest>& manifests,
                      bool verbose) {
    if (!verbose) return list_document(list, manifests).content;
    json::Array array;
    for (const ListedManifest& manifest : manifests) array.push_back(to_json(manifest));
    return json::print_indented(array, "\t");
}

/// The manifests that a list in a registry names; with `whole`, also their content.
async::Task<std::vector<ListedManifest>> listed_manifests(registry::Client& client, spec::Reference list,
                                                          std::string content,
                                                          registry::CredentialSource credentials,
                                                          bool whole) {
    std::vector<ListedManifest> manifests;
    spec::Index index = spec::parse_index(content);
    for (const spec::Descriptor& entry : index.manifests) {
        spec::Reference name = spec::Reference::parse(list.text() + '@' + entry.digest.text());
        ListedManifest manifest{name, {}, {}};
        if (whole) {
            manifest = co_await fetch_manifest(client, name, credentials);
        } else {
            manifest.descriptor.mediaType = entry.mediaType;
            manifest.descriptor.digest = entry.digest;
            manifest.descriptor.size = entry.size;
        }
        manifest.descriptor.platform = entry.platform.value_or(spec::Platform{});
        manifests.push_back(std::move(manifest));
    }
    co_return manifests;
}

/// What a registry has under a name: a manifest or a list.
async::Task<std::string> remote_text(registry::Client& client, spec::Reference name,
                                     registry::CredentialSource credentials, bool verbose) {
    registry::Client::Resolved found = co_await resolve_manifest(client, name, credentials, verbose);
    if (spec::media_kind(found.descriptor.mediaType) == spec::MediaKind::index) {
        std::vector<ListedManifest> manifests = co_await listed_manifests(
            client, name, std::move(found.content), std::move(credentials), verbose);
        co_return list_text(name, manifests, verbose);
    }
    ListedManifest manifest{name, found.descriptor, std::move(found.content)};
    if (verbose) manifest.descriptor.platform = json::decode_text<spec::Platform>(found.config);
    co_return manifest_text(manifest, verbose);
}

std::string text_of(Invocation& call) {
    bool verbose = call.flags.boolean("verbose");
    spec::Reference name = parse_list_name(call.args.back());
    ManifestLists lists(call.session);
    if (call.args.size() == 2) {
        std::optional<ListedManifest> manifest = lists.find(parse_list_name(call.args[0]), name);
        if (!manifest) throw make_error(ErrorKind::not_found, "No such manifest: {}", name.text());
        return manifest_text(*manifest, verbose);
    }
    if (lists.contains(name)) return list_text(name, lists.all(name), verbose);
    registry::Client client(call.session.loop(), manifest_client(name, call.flags.boolean("insecure")));
    return call.session.run(remote_text(client, name, session_credentials(call.session), verbose));
}

int run(Invocation& call) {
    print_out(text_of(call) + '\n');
    return 0;
}

}  // namespace

constexpr Command kManifestInspectCommand{
    .name = "inspect",
    .summary = "Display an image manifest, or manifest list",
    .arguments = "[OPTIONS] [MANIFEST_LIST] MANIFEST",
    .flags = kFlags,
    .min_args = 1,
    .max_args = 2,
    .run = run,
    .experimental = true,
};

}  // namespace berth::app
