// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/reader.h"

#include <algorithm>
#include <cstring>

#include "engine/logs/record_source.h"
#include "engine/logs/record_writer.h"

namespace berth::engine {

void LogBatch::grow(size_t bytes) {
    // From small to large: most followers have little to say.
    constexpr size_t kFirst = size_t{16} * 1024;
    size_t capacity = std::max({size_ + bytes, capacity_ * 2, kFirst});
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    if (size_ != 0) std::memcpy(larger.get(), data_.get(), size_);
    data_ = std::move(larger);
    capacity_ = capacity;
}

struct LogReader::State {
    State(const LogLocation& location, const LogReadOptions& options)
        : source(location, options, RecordSource::Mode::snapshot), writer(location, options) {}
    RecordSource source;
    RecordWriter writer;
};

LogReader::LogReader(const LogLocation& location, const LogReadOptions& options)
    : state_(std::make_unique<State>(location, options)) {}
LogReader::LogReader(LogReader&&) noexcept = default;
LogReader& LogReader::operator=(LogReader&&) noexcept = default;
LogReader::~LogReader() = default;

bool LogReader::read(LogBatch& into) {
    into.clear();
    LogRecord record;
    while (!into.full() && state_->source.next(record)) state_->writer.append(record, into);
    return !into.empty();
}

}  // namespace berth::engine
