// SPDX-License-Identifier: Apache-2.0
#include "sys/tar_writer.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

#include "base/error.h"
#include "sys/tar_format.h"

namespace berth::sys {

using namespace tar;

namespace {

constexpr size_t kPending = 64 * 1024;

using Block = std::array<char, kBlock>;

[[noreturn]] void misuse(std::string_view what) {
    throw make_error(ErrorKind::internal, "writing a tar archive: {}", what);
}

bool is_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c > 0; });
}

char type_flag(TarType type) {
    switch (type) {
        case TarType::file: return '0';
        case TarType::hard_link: return '1';
        case TarType::symlink: return '2';
        case TarType::char_device: return '3';
        case TarType::block_device: return '4';
        case TarType::directory: return '5';
        case TarType::fifo: return '6';
    }
    misuse("unknown type");
}

/// Text goes in as far as it fits, without what is not ASCII: where that loses something a record has it
/// whole.
void put_text(Block& block, Field where, std::string_view text) {
    size_t at = 0;
    for (char c : text)
        if (c > 0 && at < where.size) block[where.offset + at++] = c;
    // A file is not to look like an old folder because its name was cut at a slash.
    if (text.size() > where.size && at == where.size)
        while (at > 0 && block[where.offset + at - 1] == '/') block[where.offset + --at] = '\0';
}

bool fits_octal(Field where, int64_t value) {
    return value >= 0 && value < (int64_t{1} << (3 * (where.size - 1)));
}

void put_octal(Block& block, Field where, int64_t value) {
    if (!fits_octal(where, value)) value = 0;
    fmt::format_to_n(block.data() + where.offset, where.size - 1, "{:0{}o}", value, where.size - 1);
}

void put_checksum(Block& block) {
    put_octal(block, {kChecksum.offset, kChecksum.size - 1}, checksum(block.data()));
    block[kChecksum.offset + kChecksum.size - 1] = ' ';
}

void put_magic(Block& block) {
    std::memcpy(block.data() + kMagic.offset, "ustar\00000", 8);
}

/// The header of a PAX header; its name serves only readers that don't know PAX.
Block pax_block(std::string_view path, size_t size) {
    size_t folder = path.rfind('/') + 1;  // 0 without a '/'
    std::string name = fmt::format("{}PaxHeaders.0/{}", path.substr(0, folder), path.substr(folder));
    std::erase_if(name, [](char c) { return c <= 0; });
    name.resize(std::min(name.size(), kName.size));
    while (name.ends_with('/')) name.pop_back();
    Block block{};
    put_text(block, kName, name);
    for (Field zero : {kMode, kUid, kGid, kMtime}) put_octal(block, zero, 0);
    put_octal(block, kSize, static_cast<int64_t>(size));
    block[kType.offset] = 'x';
    put_magic(block);
    put_checksum(block);
    return block;
}

/// What of a header plain ustar can't say.
class Records {
  public:
    void text(std::string_view key, Field where, std::string_view value) {
        if (value.size() > where.size || !is_ascii(value)) records_[std::string(key)] = value;
    }
    void number(std::string_view key, Field where, uint64_t value) {
        if (!fits_octal(where, static_cast<int64_t>(value)))
            records_[std::string(key)] = fmt::format("{}", value);
    }
    void time(std::string_view key, TarTime value) { records_[std::string(key)] = print_pax_time(value); }
    void xattr(std::string_view name, std::string_view value) {
        if (name.empty() || name.find('=') != std::string_view::npos)
            throw make_error(ErrorKind::invalid_argument, "an archive can't hold an attribute named {}",
                             name);
        records_[fmt::format("SCHILY.xattr.{}", name)] = value;
    }
    const std::map<std::string, std::string>& all() const { return records_; }

  private:
    std::map<std::string, std::string> records_;
};

/// Where a long path is split into ustar's prefix and name, or 0.
size_t split_path(std::string_view path) {
    if (path.size() <= kName.size || !is_ascii(path)) return 0;
    size_t length = path.size();
    if (length > kPrefix.size + 1)
        length = kPrefix.size + 1;
    else if (path.ends_with('/'))
        --length;
    size_t slash = path.substr(0, length).rfind('/');
    if (slash == std::string_view::npos || slash == 0 || slash > kPrefix.size) return 0;
    size_t name = path.size() - slash - 1;
    return name == 0 || name > kName.size ? 0 : slash;
}

/// All but the path.
Records records_of(const TarHeader& header, uint64_t size) {
    Records records;
    records.text("linkpath", kLinkName, header.link_target);
    records.text("uname", kUname, header.uname);
    records.text("gname", kGname, header.gname);
    records.number("uid", kUid, header.uid);
    records.number("gid", kGid, header.gid);
    records.number("size", kSize, size);
    if (header.mtime.nanoseconds != 0 || !fits_octal(kMtime, header.mtime.seconds))
        records.time("mtime", header.mtime);
    if (header.atime) records.time("atime", *header.atime);
    if (header.ctime) records.time("ctime", *header.ctime);
    for (const auto& [name, value] : header.xattrs) records.xattr(name, value);
    return records;
}

Block entry_block(const TarHeader& header, std::string_view path, size_t split, uint64_t size) {
    Block block{};
    if (split != 0) put_text(block, kPrefix, path.substr(0, split));
    put_text(block, kName, split != 0 ? path.substr(split + 1) : path);
    put_octal(block, kMode, header.mode & 07777);
    put_octal(block, kUid, header.uid);
    put_octal(block, kGid, header.gid);
    put_octal(block, kSize, static_cast<int64_t>(size));
    put_octal(block, kMtime, header.mtime.seconds);
    block[kType.offset] = type_flag(header.type);
    put_text(block, kLinkName, header.link_target);
    put_magic(block);
    put_text(block, kUname, header.uname);
    put_text(block, kGname, header.gname);
    put_octal(block, kDevMajor, header.dev_major);
    put_octal(block, kDevMinor, header.dev_minor);
    put_checksum(block);
    return block;
}

}  // namespace

void TarWriter::flush() {
    if (pending_.empty()) return;
    sink_.write(bytes_of(pending_));
    pending_.clear();
}

void TarWriter::put(std::string_view data) {
    if (pending_.size() + data.size() > kPending) flush();
    if (data.size() >= kPending)
        sink_.write(bytes_of(data));
    else
        pending_ += data;
}

void TarWriter::end_entry() {
    if (left_ != 0) misuse("an entry has less data than its header says");
    pending_.append(std::exchange(padding_, 0), '\0');
}

TarType tar_type(mode_t mode) {
    switch (mode & S_IFMT) {
        case S_IFDIR: return TarType::directory;
        case S_IFLNK: return TarType::symlink;
        case S_IFCHR: return TarType::char_device;
        case S_IFBLK: return TarType::block_device;
        case S_IFIFO: return TarType::fifo;
        default: return TarType::file;
    }
}

void TarWriter::add(const TarHeader& header) {
    if (finished_) misuse("an entry after the end");
    end_entry();
    std::string path = header.path;
    if (header.type == TarType::directory) path += '/';
    left_ = header.type == TarType::file ? header.size : 0;
    padding_ = static_cast<uint32_t>(-left_ % kBlock);

    size_t split = split_path(path);
    Records records = records_of(header, left_);
    // With other records Go gives a long path as a record too instead of a prefix.
    if (split == 0 || !records.all().empty()) {
        records.text("path", kName, path);
        split = 0;
    }
    if (!records.all().empty()) {
        std::string data = print_pax(records.all());
        if (data.size() > kMaxHeader)
            throw make_error(ErrorKind::invalid_argument, "{}: too much for one header", path);
        Block block = pax_block(path, data.size());
        put({block.data(), block.size()});
        put(data);
        pending_.append(-data.size() % kBlock, '\0');
    }
    Block block = entry_block(header, path, split, left_);
    put({block.data(), block.size()});
}

void TarWriter::write(std::span<const std::byte> data) {
    if (data.size() > left_) misuse("an entry has more data than its header says");
    left_ -= data.size();
    put({reinterpret_cast<const char*>(data.data()), data.size()});
}

void TarWriter::add_file(const TarHeader& header, std::string_view content) {
    TarHeader sized = header;
    sized.size = content.size();
    add(sized);
    write(bytes_of(content));
}

void TarWriter::finish() {
    if (finished_) misuse("finished twice");
    end_entry();
    pending_.append(2 * kBlock, '\0');
    flush();
    finished_ = true;
}

}  // namespace berth::sys
