// SPDX-License-Identifier: Apache-2.0
#include "store/check.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <set>

#include "base/error.h"
#include "store/compression.h"
#include "sys/file.h"

namespace berth::store {

namespace {

class Checker {
  public:
    Checker(Store& store, const CheckOptions& options) : store_(store), options_(options) {}

    CheckResult run() {
        check_blobs();
        for (std::string_view algorithm : {"sha256", "sha512"}) check_files(std::string(algorithm));
        check_layers();
        ListFilters all;
        all.all = true;
        for (const Image& image : store_.list(all)) check_image(image);
        Usage usage = store_.usage();
        if (usage.blobs + usage.layers + usage.snapshots + usage.other != usage.total)
            problem("the parts of the store take {} bytes, all of it {}",
                    usage.blobs + usage.layers + usage.snapshots + usage.other, usage.total);
        return std::move(result_);
    }

  private:
    template <typename... Args>
    void problem(fmt::format_string<Args...> format, Args&&... args) {
        result_.problems.push_back(fmt::format(format, std::forward<Args>(args)...));
    }

    void check_blobs() {
        for (const BlobInfo& info : store_.blobs().list()) {
            ++result_.blobs;
            result_.bytes += info.size;
            try {
                check_blob(info);
            } catch (const Error& error) {
                // Collected since it was listed?
                if (store_.blobs().find(info.digest))
                    problem("blob {}: {}", info.digest.text(), error.what());
            }
        }
    }

    void check_blob(const BlobInfo& info) {
        Blob blob = store_.blobs().open(info.digest);
        struct stat file{};
        sys::check(fstat(blob.fd.get(), &file), "fstat");
        if (static_cast<uint64_t>(file.st_size) != info.size)
            return problem("blob {}: the file has {} bytes, it should have {}", info.digest.text(),
                           file.st_size, info.size);
        if (!options_.hash) return;
        sys::FdSource source(blob.fd.get(), info.digest.text());
        HashingSource hashed(source, info.digest.algorithm());
        std::vector<std::byte> buffer(1u << 20);
        while (hashed.read(buffer) != 0) {
        }
        if (Digest found = hashed.digest(); found != info.digest)
            problem("blob {}: the content's digest is {}", info.digest.text(), found.text());
    }

    void check_files(const std::string& algorithm) {
        auto folder = sys::try_open_at(AT_FDCWD, fmt::format("{}/blobs/{}", store_.root(), algorithm),
                                       O_RDONLY | O_DIRECTORY);
        if (!folder) return;
        for (const std::string& name : sys::list_dir(folder->get())) {
            auto digest = Digest::try_parse(algorithm + ':' + name);
            struct stat info{};
            bool is_there = fstatat(folder->get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
            if (is_there && !(digest && store_.blobs().find(*digest)))
                problem("blobs/{}/{}: nothing knows this file", algorithm, name);
        }
    }

    void check_layers() {
        for (const LayerInfo& layer : store_.snapshots().layers()) {
            ++result_.layers;
            if (layer.parent && !store_.snapshots().find_layer(*layer.parent) &&
                store_.snapshots().find_layer(layer.chain_id))
                problem("layer {}: its parent {} is missing", layer.chain_id.text(), layer.parent->text());
            if (chain_id_of(layer.parent, layer.diff_id) != layer.chain_id)
                problem("layer {}: it is not {} on {}", layer.chain_id.text(), layer.diff_id.text(),
                        layer.parent ? layer.parent->text() : "nothing");
        }
    }

    void check_image(const Image& image) {
        ++result_.images;
        size_t before = result_.problems.size();
        std::string name = image.tags.empty() ? image.id.text() : image.tags.front().familiar();
        if (image.manifest && !store_.blobs().find(*image.manifest))
            problem("image {}: its manifest {} is missing", name, image.manifest->text());
        for (size_t i = 0; i < image.layers.size(); ++i) {
            bool has_folder = i < image.chain_ids.size() && store_.snapshots().find_layer(image.chain_ids[i]);
            bool has_blob =
                !image.layers[i].blob.digest.empty() && store_.blobs().find(image.layers[i].blob.digest);
            if (image.is_unpacked ? !has_folder : !has_blob)
                problem("image {}: layer {} of {} ({}) is missing", name, i + 1, image.layers.size(),
                        image.layers[i].diff_id.text());
        }
        if (image.kind == ImageKind::image) check_config(image, name);
        // Removed since it was listed?
        if (result_.problems.size() > before && !store_.find(image.id)) result_.problems.resize(before);
    }

    void check_config(const Image& image, const std::string& name) {
        try {
            std::vector<Digest> diff_ids = store_.config(image).rootfs.diff_ids, found;
            for (const LayerBlob& layer : image.layers) found.push_back(layer.diff_id);
            if (diff_ids != found) problem("image {}: its layers are not those of its config", name);
            if (spec::chain_ids(diff_ids) != image.chain_ids)
                problem("image {}: its chain ids are wrong", name);
        } catch (const Error& error) {
            problem("image {}: config: {}", name, error.what());
        }
    }

    Store& store_;
    CheckOptions options_;
    CheckResult result_;
};

}  // namespace

CheckResult check(Store& store, const CheckOptions& options) {
    return Checker(store, options).run();
}

}  // namespace berth::store
