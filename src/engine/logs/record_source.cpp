// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/record_source.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "engine/logs/time_seek.h"
#include "shim/log_order.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

uint64_t count_lines(int fd) {
    LineSource lines(fd, true);
    uint64_t count = 0;
    while (true) {
        std::string_view block = lines.next_block();
        if (block.empty()) return count;
        count += static_cast<uint64_t>(std::count(block.begin(), block.end(), '\n'));
    }
}

LogReadOptions everything() {
    return {};
}

}  // namespace

RecordSource::RecordSource(const LogLocation& location, const LogReadOptions& options, Mode mode)
    : path_(location.path), options_(options), mode_(mode), parser_(location.format) {
    for (LogFileHandle& file : open_log_files(path_)) files_.push_back(std::move(file));
    if (options.tail) start_at_tail(*options.tail);
}

RecordSource::RecordSource(const LogLocation& location, const LogCursor& cursor)
    : path_(location.path),
      options_(everything()),
      mode_(Mode::follow),
      keeps_cursor_(true),
      cursor_(cursor),
      parser_(location.format) {
    for (LogFileHandle& file : open_log_files(path_)) files_.push_back(std::move(file));
    start_at_cursor();
}

void RecordSource::start_at_tail(uint64_t count) {
    for (size_t i = files_.size(); i-- > 0;) {
        const LogFileHandle& file = files_[i];
        Tail tail;
        if (file.compressed)
            tail.lines = count_lines(file.fd.get());
        else
            tail = seek_tail(file.fd.get(), file.size, count);
        if (tail.lines < count) {
            count -= tail.lines;
            continue;
        }
        if (file.compressed)
            skip_lines_ = tail.lines - count;
        else
            start_offset_ = tail.offset;
        files_.erase(files_.begin(), files_.begin() + static_cast<ptrdiff_t>(i));
        return;
    }
}

/// An inode's number may be used again, so the record before the offset must be the one that was read last.
bool RecordSource::is_cursor_file(const LogFileHandle& file) {
    if (file.compressed || file.inode != cursor_.inode || file.size < cursor_.offset) return false;
    if (cursor_.offset == 0) return cursor_.time_ns == 0;
    Tail last = seek_tail(file.fd.get(), cursor_.offset, 1);
    LineSource lines(file.fd.get(), false);
    lines.seek(last.offset, cursor_.offset);
    std::string_view line = lines.next_block();
    if (line.empty() || last.offset + line.size() != cursor_.offset) return false;
    LogRecord record;
    return parser_.parse(line.substr(0, line.size() - 1), record) &&
           parser_.time_of(record) == cursor_.time_ns;
}

void RecordSource::start_at_cursor() {
    if (cursor_.time_ns == 0) return;
    for (size_t i = 0; i < files_.size(); ++i) {
        if (!is_cursor_file(files_[i])) continue;
        files_.erase(files_.begin(), files_.begin() + static_cast<ptrdiff_t>(i));
        start_offset_ = cursor_.offset;
        return;
    }
    options_.since_ns = cursor_.time_ns;
    skip_time_ns_ = cursor_.time_ns;
    skip_same_ = cursor_.same;
}

bool RecordSource::next(LogRecord& record) {
    while (!ended_) {
        if (block_.empty() && !load_block()) {
            if (lines_ && mode_ == Mode::follow) lines_->idle();
            return false;
        }
        const char* start = block_.data();
        const auto* newline = static_cast<const char*>(std::memchr(start, '\n', block_.size()));
        block_.remove_prefix(static_cast<size_t>(newline - start) + 1);
        if (skip_lines_ > 0) {
            --skip_lines_;
            continue;
        }
        if (!parser_.parse({start, static_cast<size_t>(newline - start)}, record)) continue;
        if (!wanted(record)) continue;
        if (keeps_cursor_) note(record, newline + 1);
        return true;
    }
    return false;
}

bool RecordSource::wanted(const LogRecord& record) {
    if (record.stream == shim::Stream::out ? !options_.out : !options_.err) return false;
    if (options_.since_ns == 0 && options_.until_ns == 0) return true;
    int64_t time = parser_.time_of(record);
    if (time < options_.since_ns) return false;
    if (options_.until_ns != 0 && time > options_.until_ns) {
        if (ordered_ && time - shim::kLogOrderSlackNs > options_.until_ns) leave_stretch();
        return false;
    }
    if (skip_same_ > 0 && time == skip_time_ns_) {
        --skip_same_;
        return false;
    }
    return true;
}

void RecordSource::note(const LogRecord& record, const char* end) {
    int64_t time = parser_.time_of(record);
    if (time == cursor_.time_ns) {
        ++cursor_.same;
    } else {
        cursor_.time_ns = time;
        cursor_.same = 1;
    }
    cursor_.inode = current_->compressed ? 0 : current_->inode;
    cursor_.offset = lines_->block_offset() + static_cast<uint64_t>(end - block_start_);
}

/// All that follows in the stretch is too new.
void RecordSource::leave_stretch() {
    block_ = {};
    if (mode_ == Mode::follow && files_.empty() && stretch_ + 2 >= borders_.size()) {
        ended_ = true;
        return;
    }
    // Whatever file comes next is begun by load_block().
    lines_->seek(0, 0);
    if (current_->compressed) lines_.reset();
}

bool RecordSource::load_block() {
    while (true) {
        if (lines_) {
            block_ = lines_->next_block();
            block_start_ = block_.data();
            if (!block_.empty()) return true;
            if (next_stretch()) continue;
        }
        if (!next_file()) return false;
    }
}

bool RecordSource::next_stretch() {
    if (stretch_ + 2 >= borders_.size()) return false;
    ++stretch_;
    begin_stretch();
    return true;
}

void RecordSource::begin_stretch() {
    bool last = stretch_ + 2 == borders_.size();
    uint64_t from = std::max(borders_[stretch_], start_offset_);
    uint64_t to = borders_[stretch_ + 1];
    if (options_.since_ns != 0 && from < to)
        from = seek_time(current_->fd.get(), parser_, from, to, options_.since_ns);
    // A file that is being followed may have grown, and ends where it ends.
    if (last && mode_ == Mode::follow) to = UINT64_MAX;
    lines_->seek(std::min(from, to), to);
}

bool RecordSource::open_next() {
    current_ = std::move(files_.front());
    files_.pop_front();
    rotated_ = false;
    int fd = current_->fd.get();
    lines_.emplace(fd, current_->compressed);
    stretch_ = 0;
    borders_.clear();
    ordered_ = true;
    if (!current_->compressed) {
        borders_ = log_stretches(fd, current_->size);
        begin_stretch();
        return true;
    }
    std::optional<int64_t> last = compressed_last_time(fd);
    ordered_ = last.has_value();
    if (last && options_.since_ns != 0 && *last < options_.since_ns - shim::kLogOrderSlackNs) lines_.reset();
    return true;
}

bool RecordSource::next_file() {
    if (current_) skip_lines_ = start_offset_ = 0;
    if (!files_.empty()) return open_next();
    if (mode_ == Mode::snapshot) {
        ended_ = true;
        return false;
    }
    return look_for_files();
}

/// The newest file has been read to its end. False: nothing more by now.
bool RecordSource::look_for_files() {
    if (!current_) {
        for (LogFileHandle& file : open_log_files(path_)) files_.push_back(std::move(file));
        return !files_.empty() && open_next();
    }
    struct stat named{};
    bool present = ::stat(path_.c_str(), &named) == 0;
    if (present && named.st_ino == current_->inode && named.st_dev == current_->device) {
        if (!lines_ || static_cast<uint64_t>(named.st_size) >= lines_->read_to()) return false;
        // Emptied in place: a log of one file that became too large.
        borders_ = {0, 0};
        stretch_ = 0;
        lines_->seek(0, UINT64_MAX);
        return named.st_size > 0;
    }
    if (!rotated_ && lines_) {
        // What was written between our reading and the rotation.
        rotated_ = true;
        return true;
    }
    for (LogFileHandle& file : files_after(open_log_files(path_), *current_))
        files_.push_back(std::move(file));
    return !files_.empty() && open_next();
}

}  // namespace berth::engine
