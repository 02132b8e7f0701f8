// SPDX-License-Identifier: Apache-2.0
#include "store/store_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "store/compression.h"
#include "store/ingest_sink.h"
#include "store/tree.h"
#include "sys/file.h"
#include "sys/tar_writer.h"

namespace berth::store {

TemporaryFolder::TemporaryFolder() {
    const char* base = std::getenv("TMPDIR");
    path_ = fmt::format("{}/berth-store-XXXXXX", base != nullptr ? base : "/tmp");
    if (::mkdtemp(path_.data()) == nullptr) throw errno_error(errno, "mkdtemp " + path_);
}

TemporaryFolder::~TemporaryFolder() {
    try {
        remove_tree(AT_FDCWD, path_);
    } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
    }
}

std::string make_tar(const Files& files) {
    sys::TextSink sink;
    sys::TarWriter writer(sink);
    for (const auto& [path, content] : files) {
        sys::TarHeader header;
        bool is_folder = path.ends_with('/');
        header.path = is_folder ? path.substr(0, path.size() - 1) : path;
        header.type = is_folder ? sys::TarType::directory : sys::TarType::file;
        header.mode = is_folder ? 0755 : 0644;
        header.mtime = {.seconds = 1'700'000'000, .nanoseconds = 0};
        if (is_folder)
            writer.add(header);
        else
            writer.add_file(header, content);
    }
    writer.finish();
    return sink.text;
}

std::string gzipped(std::string_view data) {
    sys::TextSink sink;
    std::unique_ptr<Compressor> compressor = make_compressor(sink, Compression::gzip);
    compressor->write(sys::bytes_of(data));
    compressor->finish();
    return sink.text;
}

Image make_image(Store& store, const ImageOptions& options) {
    Lease lease = store.blobs().lease("test");
    spec::ImageConfig config;
    config.created = options.created;
    config.author = options.comment;
    config.architecture = "amd64";
    config.os = "linux";
    config.config.Labels = options.labels;
    NewImage image;
    std::optional<Digest> parent;
    for (const Files& files : options.layers) {
        std::string tar = make_tar(files), blob = gzipped(tar);
        LayerBlob layer{.diff_id = Digest::of(tar), .blob = {}};
        layer.blob.mediaType = spec::media::kOciLayerGzip;
        layer.blob.digest = store.blobs().put(lease, blob).digest;
        layer.blob.size = static_cast<int64_t>(blob.size());
        config.rootfs.diff_ids.push_back(layer.diff_id);
        config.history.push_back({.created = options.created, .created_by = "COPY"});
        if (options.unpack) store.unpack_blob(lease, layer, parent);
        parent = chain_id_of(parent, layer.diff_id);
        image.layers.push_back(layer);
    }
    std::string text = spec::print_image_config(config);
    image.config = store.blobs().put(lease, text).digest;
    if (options.with_manifest) {
        spec::Manifest manifest;
        manifest.mediaType = spec::media::kOciManifest;
        manifest.config.mediaType = spec::media::kOciConfig;
        manifest.config.digest = image.config;
        manifest.config.size = static_cast<int64_t>(text.size());
        for (const LayerBlob& layer : image.layers) manifest.layers.push_back(layer.blob);
        spec::Descriptor descriptor;
        descriptor.digest = store.blobs().put(lease, spec::print_manifest(manifest)).digest;
        image.manifest = descriptor;
    }
    for (const std::string& name : options.names) image.names.push_back(spec::Reference::parse(name));
    image.parent = options.parent;
    return store.add(lease, image);
}

sys::Child in_child(const std::function<void()>& work) {
    sys::Child child = sys::fork_child();
    if (child) return child;
    int status = 0;
    try {
        work();
    } catch (const std::exception& error) {
        std::string text = std::string("child: ") + error.what() + '\n';
        (void)!::write(2, text.data(), text.size());
        status = 1;
    }
    ::_exit(status);
}

void expect_in_child(const std::function<void()>& work) {
    EXPECT_EQ(in_child(work).wait().code, 0);
}

void in_own_mounts(const std::function<void()>& work) {
    expect_in_child([&] {
        sys::check(::unshare(CLONE_NEWNS), "unshare");
        sys::check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make private");
        work();
    });
}

void require(bool condition, const std::string& what) {
    if (!condition) throw Error(ErrorKind::internal, what);
}

std::vector<std::string> names_in(const std::string& path) {
    return sys::list_dir(sys::open_file(path, O_RDONLY | O_DIRECTORY).get());
}

std::string read_text(const std::string& path) {
    return sys::read_file(path);
}

void write_text(const std::string& path, std::string_view text) {
    UniqueFd fd = sys::open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    sys::write_all(fd.get(), text, path);
}

uint64_t du(const std::string& path) {
    sys::Finished done =
        sys::run({.path = "/usr/bin/du", .argv = {"du", "-s", "--block-size=1", path}}, "", {});
    return parse_number<uint64_t>(split_fields(done.output).at(0)).value();
}

void StoreTest::SetUp() {
    if (::geteuid() != 0) GTEST_SKIP() << "layers have whiteouts and owners: needs root";
    open();
}

}  // namespace berth::store
