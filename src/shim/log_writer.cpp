// SPDX-License-Identifier: Apache-2.0
#include "shim/log_writer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "shim/log_order.h"

namespace berth::shim {

namespace {

constexpr size_t kBatchSize = size_t{128} * 1024;
constexpr int64_t kPauseAfterFailureNs = 100'000'000;
constexpr std::string_view kPrefix = R"({"log":")";

}  // namespace

bool LogBatch::prepare() noexcept {
    if (data_ != nullptr) return true;
    void* memory = ::mmap(nullptr, capacity_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    data_ = static_cast<char*>(memory);
    return true;
}

void LogBatch::release() noexcept {
    if (data_ != nullptr) ::munmap(data_, capacity_);
    data_ = nullptr;
    used_ = 0;
}

LogWriter::LogWriter(const LogOptions& options)
    : local_(options.format == LogFormat::local), file_(options), batch_(kBatchSize + options.attrs.size()) {
    if (file_.last_write_ns() != 0) newest_ns_ = file_.last_write_ns() + kLogOrderSlackNs;
    suffix_.reserve(128 + options.attrs.size());
    if (!options.attrs.empty()) attrs_ = R"(,"attrs":)" + options.attrs;
}

void LogWriter::append(Stream stream, std::string_view chunk, int64_t time_ns) noexcept {
    now_ns_ = time_ns;
    if (int64_t second = time_ns / 1'000'000'000; second != checked_second_) {
        checked_second_ = second;
        file_.check_name();
    }
    if (!batch_.prepare()) {
        lose(static_cast<uint64_t>(std::count(chunk.begin(), chunk.end(), '\n')), ENOMEM);
        return;
    }
    try {
        take(stream, chunk, time_ns);
    } catch (...) {
        // Only memory for the unfinished line can be missing.
        lines_[static_cast<size_t>(stream)].text.clear();
        lose(1, ENOMEM);
    }
    write_batch();
}

void LogWriter::take(Stream stream, std::string_view chunk, int64_t time_ns) {
    Line& line = lines_[static_cast<size_t>(stream)];
    while (!chunk.empty()) {
        size_t room = kMaxRecordText - line.text.size();
        std::string_view piece = chunk.substr(0, room);
        const void* newline = std::memchr(piece.data(), '\n', piece.size());
        if (newline != nullptr)
            piece = piece.substr(0, static_cast<size_t>(static_cast<const char*>(newline) - piece.data()));
        chunk.remove_prefix(piece.size() + (newline != nullptr ? 1 : 0));
        bool whole = newline != nullptr || piece.size() == room;
        if (!line.text.empty() || !whole) {
            line.text += piece;
            piece = line.text;
        }
        if (!whole) return;
        size_t torn = newline != nullptr ? 0 : incomplete_utf8_tail(piece);
        add_record(stream, piece.substr(0, piece.size() - torn), newline != nullptr, time_ns);
        if (torn != 0 || !line.text.empty()) line.text = piece.substr(piece.size() - torn);
    }
}

void LogWriter::add_record(Stream stream, std::string_view text, bool end, int64_t time_ns) noexcept {
    Line& line = lines_[static_cast<size_t>(stream)];
    // What comes late of a line is not far behind what others wrote meanwhile.
    if (!line.split || time_ns - line.first_ns > kLogOrderSlackNs) line.first_ns = time_ns;
    line.split = !end;
    if (local_)
        add_local({stream, end, in_order(line.first_ns)}, text);
    else
        add_json(stream, text, end, in_order(line.first_ns));
}

/// The time that a record gets. Where the clock was set back a stretch of the file begins.
int64_t LogWriter::in_order(int64_t time_ns) noexcept {
    if (time_ns < newest_ns_ - kLogOrderSlackNs) {
        write_batch();
        if (!file_.note_step()) return newest_ns_;
        newest_ns_ = time_ns;
    }
    newest_ns_ = std::max(newest_ns_, time_ns);
    return time_ns;
}

void LogWriter::make_room(size_t bytes) noexcept {
    if (!batch_.has_room(bytes)) write_batch();
    if (file_.full(batch_.view().size())) {
        write_batch();
        file_.rotate();
    }
}

void LogWriter::add_local(const LocalHead& head, std::string_view text) noexcept {
    make_room(kLocalHeadSize + text.size() + 1);
    char* out = encode_local_head(batch_.end(), head);
    out = std::copy(text.begin(), text.end(), out);
    *out++ = '\n';
    batch_.end_at(out);
}

void LogWriter::add_json(Stream stream, std::string_view text, bool end, int64_t time_ns) noexcept {
    make_suffix(stream, time_ns);
    make_room(max_encoded_size(text.size()) + kPrefix.size() + 2 + suffix_.size());
    char* out = batch_.end();
    out = std::copy(kPrefix.begin(), kPrefix.end(), out);
    out = encode_json_text(out, text);
    if (end) {
        *out++ = '\\';
        *out++ = 'n';
    }
    batch_.end_at(std::copy(suffix_.begin(), suffix_.end(), out));
}

void LogWriter::make_suffix(Stream stream, int64_t time_ns) noexcept {
    if (time_ns == suffix_ns_ && stream == suffix_stream_) return;
    suffix_ = stream == Stream::out ? R"(","stream":"stdout")" : R"(","stream":"stderr")";
    suffix_ += attrs_;
    suffix_ += R"(,"time":")";
    suffix_ += clock_.format(time_ns);
    suffix_ += "\"}\n";
    suffix_ns_ = time_ns;
    suffix_stream_ = stream;
}

void LogWriter::flush(Stream stream, int64_t time_ns) noexcept {
    Line& line = lines_[static_cast<size_t>(stream)];
    if (line.text.empty()) return;
    now_ns_ = time_ns;
    if (batch_.prepare())
        add_record(stream, line.text, false, time_ns);
    else
        lose(1, ENOMEM);
    line = Line{};
    write_batch();
}

void LogWriter::write_batch() noexcept {
    std::string_view records = batch_.view();
    if (records.empty()) return;
    // The clock may be set back while the disk is full.
    bool pausing = failed_ns_ >= 0 && now_ns_ >= failed_ns_ && now_ns_ < failed_ns_ + kPauseAfterFailureNs;
    if (pausing) {
        lose(static_cast<uint64_t>(std::count(records.begin(), records.end(), '\n')), last_error_);
    } else {
        uint64_t lost = file_.write(records);
        failed_ns_ = lost == 0 ? -1 : now_ns_;
        if (lost != 0) lose(lost, file_.last_error());
    }
    batch_.clear();
}

void LogWriter::lose(uint64_t records, int error) noexcept {
    dropped_ += records;
    last_error_ = error;
}

void LogWriter::idle() noexcept {
    batch_.release();
    for (Line& line : lines_) {
        if (line.text.empty()) line.text = std::string();
    }
}

std::unique_ptr<LogSink> open_log(const LogOptions& options) {
    switch (options.format) {
        case LogFormat::none: return std::make_unique<NullSink>();
        case LogFormat::json_file:
        case LogFormat::local: return std::make_unique<LogWriter>(options);
    }
    throw Error(ErrorKind::internal, "unknown log format");
}

}  // namespace berth::shim
