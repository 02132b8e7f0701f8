// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/strings.h"
#include "engine/logs/reader.h"
#include "shim/log_sink.h"
#include "sys/file.h"

namespace berth::engine {

inline constexpr int64_t kNoon = 1'709'294'400'000'000'000;  // 2024-03-01T12:00:00Z
inline constexpr int64_t kSecond = 1'000'000'000;

struct ModelRecord {
    shim::Stream stream;
    int64_t time_ns;
    std::string text;
};

/// A log that the shim's own writer makes in a temporary folder, and what a reader that knows nothing of
/// files would give for it.
class LogTest : public testing::Test {
  protected:
    LogTest() {
        char name[] = "/tmp/berth-logs-XXXXXX";
        folder_ = ::mkdtemp(name);
        location_.path = folder_ + "/log";
        options_.path = location_.path;
    }
    ~LogTest() override {
        sink_.reset();
        sys::remove_tree_at(AT_FDCWD, folder_);
    }

    void open(shim::LogFormat format) {
        location_.format = format;
        options_.format = format;
        sink_ = shim::open_log(options_);
    }
    void put(shim::Stream stream, int64_t time_ns, const std::string& line) {
        sink_->append(stream, line + "\n", time_ns);
        model_.push_back({stream, time_ns, line + "\n"});
    }

    static std::string render(const ModelRecord& record, const LogReadOptions& options) {
        std::string body;
        if (options.timestamps) {
            std::string time = rfc3339(record.time_ns);
            time.pop_back();
            if (time.size() == 19) time += '.';
            time.resize(29, '0');
            body = time + "Z ";
        }
        if (options.details) body += ' ';
        body += record.text;
        if (!options.framed) return body;
        std::string head(8, '\0');
        head[0] = record.stream == shim::Stream::out ? '\1' : '\2';
        for (size_t i = 0; i < 4; ++i) head[4 + i] = static_cast<char>(body.size() >> (24 - 8 * i));
        return head + body;
    }
    std::string expected(const LogReadOptions& options) const {
        size_t first = 0;
        if (options.tail && *options.tail < model_.size()) first = model_.size() - *options.tail;
        std::string text;
        for (size_t i = first; i < model_.size(); ++i) {
            const ModelRecord& record = model_[i];
            if (record.stream == shim::Stream::out ? !options.out : !options.err) continue;
            if (options.since_ns != 0 && record.time_ns < options.since_ns) continue;
            if (options.until_ns != 0 && record.time_ns > options.until_ns) continue;
            text += render(record, options);
        }
        return text;
    }
    static std::string read_all(LogReader& reader, size_t batch = LogBatch::kDefaultTarget) {
        LogBatch into(batch);
        std::string text;
        while (reader.read(into)) text += into.view();
        EXPECT_TRUE(into.empty());
        return text;
    }
    std::string read(const LogReadOptions& options) const {
        LogReader reader(location_, options);
        return read_all(reader);
    }
    /// Everything, without frames.
    std::string read_text() const {
        LogReadOptions options;
        options.framed = false;
        return read(options);
    }

    std::string random_line() {
        static const std::string kPieces[] = {"hello ",       "\"quoted\" ",
                                              "back\\slash ", "\t\x01",
                                              "äöü ",         "<&> ",
                                              "\xe2\x80\xa8", "😀 ",
                                              "{\"log\":\"",  "\",\"stream\":\"stdout\",",
                                              "\\n",          "\r"};
        std::string line;
        for (int i = pick(0, 12); i > 0; --i) line += kPieces[static_cast<size_t>(pick(0, 11))];
        if (pick(0, 200) == 0) line.append(static_cast<size_t>(pick(0, 16000)), 'x');
        return line;
    }
    int pick(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
    int64_t pick64(int64_t low, int64_t high) {
        return std::uniform_int_distribution<int64_t>(low, high)(random_);
    }

    std::string folder_;
    LogLocation location_;
    shim::LogOptions options_;
    std::unique_ptr<shim::LogSink> sink_;
    std::vector<ModelRecord> model_;
    std::mt19937 random_{42};
};

}  // namespace berth::engine
