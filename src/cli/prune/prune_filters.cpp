// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "cli/format/units.h"
#include "cli/output.h"
#include "cli/prune/prune.h"
#include "client/json_path.h"

namespace berth::cli {
namespace {

bool has_key(const std::vector<std::string>& filters, std::string_view key) {
    return std::any_of(filters.begin(), filters.end(), [&](std::string_view filter) {
        return filter.starts_with(key) && filter.substr(key.size()).starts_with('=');
    });
}

bool has(const std::vector<std::string>& filters, const std::string& filter) {
    return std::find(filters.begin(), filters.end(), filter) != filters.end();
}

}  // namespace

std::vector<std::string> prune_filters(std::vector<std::string> given, const std::vector<std::string>& kept) {
    for (const std::string& filter : kept) {
        size_t at = filter.find('=');
        if (at == std::string::npos) continue;
        std::string key = filter.substr(0, at), value = filter.substr(at + 1);
        if (key == "label" && has_key(given, "label!") && has(given, "label!=" + value)) continue;
        if (key == "label!" && has_key(given, "label") && has(given, "label=" + value)) continue;
        given.push_back(filter);
    }
    return given;
}

std::vector<std::string> prune_filters(Session& session, std::vector<std::string> given) {
    return prune_filters(std::move(given), session.config().texts("pruneFilters"));
}

json::Value send_prune(Session& session, std::string path, const std::vector<std::string>& filters,
                       client::Query query) {
    client::Request request;
    request.method = "POST";
    request.path = std::move(path);
    request.query = std::move(query);
    if (!filters.empty()) request.query.emplace_back("filters", client::filters_json(filters));
    return session.call(std::move(request));
}

int prune(Invocation& call, std::string_view warning, std::string path,
          const std::vector<std::string>& filters, std::string (*text)(const json::Value& report),
          client::Query query) {
    if (!call.flags.boolean("force") && !confirm(std::string(warning).append(kSurely))) return 0;
    print_out(text(send_prune(call.session, std::move(path), filters, std::move(query))));
    return 0;
}

std::string deleted_text(std::string_view heading, const json::Value& report, std::string_view key) {
    std::vector<std::string> names = client::texts_at(report, key);
    if (names.empty()) return "";
    std::string text(heading);
    for (const std::string& name : names) text += '\n' + name;
    return text + "\n\n";
}

std::string deleted_images_text(const json::Value& report) {
    std::string text;
    for (const json::Value& image : client::list_at(report, "ImagesDeleted")) {
        std::string name = client::text_at(image, "Untagged");
        text += name.empty() ? "deleted: " + client::text_at(image, "Deleted") : "untagged: " + name;
        text += '\n';
    }
    return text.empty() ? text : "Deleted Images:\n" + text + '\n';
}

std::string reclaimed_text(int64_t bytes) {
    return "Total reclaimed space: " + human_size(static_cast<double>(bytes), 4) + '\n';
}

}  // namespace berth::cli
