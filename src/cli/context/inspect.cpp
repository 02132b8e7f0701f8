// SPDX-License-Identifier: Apache-2.0
#include "cli/format/inspect.h"

#include "cli/context/context.h"
#include "cli/format/format_flag.h"
#include "cli/format/typed.h"
#include "cli/key_values.h"

namespace berth::cli {
namespace {

constexpr std::string_view kInMemory = "<IN MEMORY>";

json::Object certificates_of(Session& session, const WholeContext& whole) {
    json::Object all;
    if (whole.context.name != client::kDefaultContext) {
        for (const auto& [endpoint, names] : context_store(session).tls_names(whole.context.name))
            all[endpoint] = texts(names);
    } else if (!whole.tls.empty()) {
        json::Array list;
        for (const auto& [name, content] : whole.tls) list.emplace_back(name);
        all["docker"] = std::move(list);
    }
    return all;
}

json::Object storage_of(Session& session, const std::string& name) {
    client::ContextStore store = context_store(session);
    bool is_stored = name != client::kDefaultContext;
    json::Object storage;
    storage["MetadataPath"] = is_stored ? store.meta_folder(name) : std::string(kInMemory);
    storage["TLSPath"] = is_stored ? store.tls_folder(name) : std::string(kInMemory);
    return storage;
}

json::Value describe(Session& session, const std::string& name) {
    WholeContext whole = read_context(session, name);
    json::Object object;
    object["Name"] = whole.context.name;
    object["Metadata"] = whole.context.metadata;
    object["Endpoints"] = whole.context.endpoints;
    object["TLSMaterial"] = certificates_of(session, whole);
    object["Storage"] = storage_of(session, whole.context.name);
    return object;
}

/// As a template sees it: the stored part is a structure of its own within, by the name Metadata.
tmpl::Value structure_of(const json::Value& described) {
    tmpl::Value stored = typed(described, "store.Metadata");
    tmpl::Value::Fields fields{
        {"Metadata", stored},
        {"TLSMaterial", typed(described.at("TLSMaterial"), "map[string][]string")},
        {"Storage", typed(described.at("Storage"), "store.StorageInfo")},
        {"Name", client::text_at(described, "Name")},
        {"Endpoints", typed(described.at("Endpoints"), "map[string]docker.EndpointMeta")}};
    tmpl::Value::Manner manner;
    manner.json = json::print(described);
    return tmpl::Value::object(std::move(fields), "context.contextWithTLSListing", std::move(manner));
}

int run(Invocation& invocation) {
    Session& session = invocation.session;
    std::vector<std::string> names = invocation.args;
    if (names.empty()) names.push_back(current_context(session));
    std::function<Inspected(const std::string&)> find = [&](const std::string& name) {
        return Inspected{.is_typed_only = true, .structure = structure_of(describe(session, name))};
    };
    return inspect(invocation.flags.text("format"), names, find);
}

constexpr Flag kFlags[] = {kInspectFormatFlag};

}  // namespace

constinit const Command kContextInspectCommand = {
    .name = "inspect",
    .summary = "Display detailed information on one or more contexts",
    .arguments = "[OPTIONS] [CONTEXT] [CONTEXT...]",
    .flags = kFlags,
    .max_args = kAnyNumber,
    .run = run,
    .words = Words::contexts,
};

}  // namespace berth::cli
