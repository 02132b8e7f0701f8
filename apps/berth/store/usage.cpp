// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"
#include "cli/format/listing.h"
#include "cli/format/units.h"
#include "commands.h"
#include "store/snapshots.h"
#include "store_flags.h"

namespace berth::app {

namespace {

constexpr std::array kFlags{
    Flag{.name = "format",
         .usage = "Format output: table or json (numbers of bytes)",
         .default_text = "table"},
    Flag{"verbose", 'v', Flag::Kind::boolean, "Show detailed information on space usage"},
};

std::string share(uint64_t part, uint64_t whole) {
    if (whole == 0) return cli::human_size(part, 4);
    return fmt::format("{} ({}%)", cli::human_size(part, 4), part * 100 / whole);
}

/// How many images snapshots are made from.
size_t active_images(store::Store& store, const std::vector<store::Image>& images) {
    std::set<std::optional<Digest>> used;
    for (const store::SnapshotInfo& info : store.snapshots().list()) used.insert(info.parent);
    return static_cast<size_t>(std::ranges::count_if(images, [&](const store::Image& image) {
        return image.top_chain_id() && used.contains(image.top_chain_id());
    }));
}

std::string summary(store::Store& store, const store::Usage& usage, const std::vector<store::Image>& images) {
    std::vector<std::string> rows{join({"TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"}, "\t")};
    auto count = [](size_t number) { return std::to_string(number); };
    std::vector<store::SnapshotInfo> snapshots = store.snapshots().list();
    uint64_t image_bytes = usage.blobs + usage.layers;
    rows.push_back(join({"Images", count(images.size()), count(active_images(store, images)),
                         cli::human_size(image_bytes, 4), share(usage.reclaimable, image_bytes)},
                        "\t"));
    rows.push_back(
        join({"  Blobs", count(store.blobs().list().size()), "", cli::human_size(usage.blobs, 4), ""}, "\t"));
    rows.push_back(
        join({"  Layers", count(store.snapshots().layers().size()), "", cli::human_size(usage.layers, 4), ""},
             "\t"));
    rows.push_back(
        join({"Snapshots", count(snapshots.size()), "", cli::human_size(usage.snapshots, 4), ""}, "\t"));
    rows.push_back(join({"Other", "", "", cli::human_size(usage.other, 4), ""}, "\t"));
    rows.push_back(join({"Total", "", "", cli::human_size(usage.total, 4), ""}, "\t"));
    return cli::tabulate(rows);
}

std::string details(const store::Usage& usage, const std::vector<store::Image>& images) {
    std::vector<std::string> rows{
        join({"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE"}, "\t")};
    for (const store::Image& image : images) {
        for (const store::Usage::PerImage& one : usage.images) {
            if (one.id != image.id) continue;
            auto add = [&](const std::string& repository, const std::string& tag) {
                rows.push_back(join({repository, tag, std::string(image.id.short_hex()),
                                     cli::human_ago(image.created_ns / kSecond), cli::human_size(one.size),
                                     cli::human_size(one.shared), cli::human_size(one.unique)},
                                    "\t"));
            };
            for (const spec::Reference& tag : image.tags) add(tag.familiar_name(), *tag.tag());
            if (image.tags.empty()) add("<none>", "<none>");
        }
    }
    return "\nImages space usage:\n\n" + cli::tabulate(rows);
}

std::string as_json(const store::Usage& usage) {
    json::Object result;
    result["Blobs"] = usage.blobs;
    result["Layers"] = usage.layers;
    result["Snapshots"] = usage.snapshots;
    result["Other"] = usage.other;
    result["Reclaimable"] = usage.reclaimable;
    result["Total"] = usage.total;
    json::Array images;
    for (const store::Usage::PerImage& one : usage.images) {
        json::Object image;
        image["ID"] = one.id.text();
        image["Size"] = one.size;
        image["SharedSize"] = one.shared;
        image["UniqueSize"] = one.unique;
        images.emplace_back(std::move(image));
    }
    result["Images"] = images;
    return json::print(result) + '\n';
}

int run(Invocation& call) {
    std::string format = call.flags.text("format");
    if (format != "table" && format != "json")
        throw make_error(ErrorKind::invalid_argument, "unknown format {}: there are table and json",
                         quote(format));
    store::Store store = open_store(call);
    store::Usage usage = store.usage();
    if (format == "json") return print_out(as_json(usage)), 0;
    store::ListFilters all;
    all.all = true;
    std::vector<store::Image> images = store.list(all);
    print_out(summary(store, usage, images));
    if (call.flags.boolean("verbose")) print_out(details(usage, images));
    return 0;
}

}  // namespace

constexpr Command kStoreUsageCommand{
    .name = "df",
    .summary = "Show disk usage of images",
    .arguments = "[OPTIONS]",
    .flags = kFlags,
    .run = run,
};

}  // namespace berth::app
