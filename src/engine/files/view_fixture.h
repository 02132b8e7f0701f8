// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>
#include <string>

#include "engine/files/archive.h"
#include "engine/files/root_view.h"
#include "store/store_fixture.h"
#include "sys/file.h"
#include "sys/tar_reader.h"

namespace berth::engine {

/// A container's tree out of an image and a writable folder, and folders of the host beside it.
class ViewTest : public testing::Test {
  protected:
    void SetUp() override {
        for (const char* name : {"image", "upper", "work", "outside"}) sys::make_dirs(at(name));
        store::write_text(at("outside/secret"), "secret");
        sys::make_dirs(at("image/etc"));
        store::write_text(at("image/etc/passwd"), "root:x:0:0::/:\n");
    }
    std::string at(const std::string& name) const { return folder.path() + "/" + name; }
    store::MountPlan plan() const {
        return {.type = "overlay",
                .source = "overlay",
                .options = {"lowerdir=" + at("image"), "upperdir=" + at("upper"), "workdir=" + at("work")}};
    }
    std::shared_ptr<RootView> view(std::vector<spec::Mount> mounts = {}, bool readonly = false) const {
        return RootView::assemble({.root = plan(), .mounts = std::move(mounts), .readonly_root = readonly});
    }

    struct Entry {
        sys::TarHeader header;
        std::string content;
    };
    static std::map<std::string, Entry> read_tar(const std::string& text) {
        std::map<std::string, Entry> entries;
        sys::TextSource source(text);
        sys::TarReader reader(source);
        while (const sys::TarHeader* header = reader.next()) {
            Entry entry{*header, {}};
            std::array<std::byte, 4096> buffer;
            while (size_t got = reader.read(buffer))
                entry.content.append(reinterpret_cast<const char*>(buffer.data()), got);
            entries.emplace(header->path, std::move(entry));
        }
        return entries;
    }
    static std::map<std::string, Entry> get(const std::shared_ptr<RootView>& view, const std::string& path) {
        sys::TextSink sink;
        PathArchive(view, path, "box").write(sink);
        return read_tar(sink.text);
    }
    static void put(const RootView& view, const std::string& path, const std::string& tar,
                    const PutOptions& options = {}) {
        sys::TextSource source(tar);
        put_archive(view, path, "box", source, options);
    }
    static std::vector<std::string> names(const std::map<std::string, Entry>& entries) {
        std::vector<std::string> result;
        for (const auto& [name, entry] : entries) result.push_back(name);
        return result;
    }

    store::TemporaryFolder folder;
};

/// Expects an Error of that kind and text.
template <typename Body>
void expect_error(ErrorKind kind, const std::string& text, Body&& body) {
    try {
        body();
        ADD_FAILURE() << "no error: " << text;
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), kind) << error.what();
        EXPECT_THAT(error.what(), testing::HasSubstr(text));
    }
}

}  // namespace berth::engine
