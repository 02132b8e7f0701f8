// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <seccomp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/log.h"
#include "runtime/seccomp.h"
#include "runtime/seccomp_names.h"
#include "sys/file.h"

// A file of the cache, in the machine's byte order:
//
//   Header │ key (key_size bytes) │ instructions (instruction_count × 8 bytes)
//
// Its name is the hash of its key in hexadecimal.

namespace berth::runtime {

namespace {

struct Header {
    char magic[8] = {'b', 'e', 'r', 't', 'h', 'b', 'p', 'f'};
    uint32_t key_size = 0;
    uint32_t instruction_count = 0;
    uint32_t flags = 0;
    uint32_t notify = 0;
    uint64_t checksum = 0;  ///< of the rest of the header and of the instructions
};
static_assert(sizeof(Header) == 32);

/// FNV-1a over words of 8 bytes. It finds what is near at hand and what is damaged; nothing relies on it.
uint64_t hash(std::string_view data, uint64_t seed = 0xcbf29ce484222325) {
    uint64_t value = seed ^ data.size();
    while (!data.empty()) {
        uint64_t word = 0;
        size_t size = std::min(data.size(), sizeof(word));
        memcpy(&word, data.data(), size);
        value = (value ^ word) * 0x100000001b3;
        value ^= value >> 32;
        data.remove_prefix(size);
    }
    return value;
}

uint64_t checksum(const Header& header, std::string_view instructions) {
    Header copy = header;
    copy.checksum = 0;
    return hash(instructions, hash({reinterpret_cast<const char*>(&copy), sizeof(copy)}));
}

/// Every field with its length or width, so that two different profiles never make the same text.
class KeyWriter {
  public:
    void number(uint64_t value) { key_.append(reinterpret_cast<const char*>(&value), sizeof(value)); }
    void optional(const std::optional<uint32_t>& value) {
        number(value ? 1 : 0);
        number(value.value_or(0));
    }
    void text(std::string_view value) {
        auto size = static_cast<uint32_t>(value.size());
        key_.append(reinterpret_cast<const char*>(&size), sizeof(size));
        key_.append(value);
    }
    void texts(const std::vector<std::string>& values) {
        number(values.size());
        for (const std::string& value : values) text(value);
    }
    void reserve(size_t size) { key_.reserve(size); }
    std::string take() { return std::move(key_); }

  private:
    std::string key_;
};

/// All that the program depends on. Not the listener: it changes with each container.
std::string make_key(const spec::Seccomp& seccomp) {
    KeyWriter key;
    key.reserve(16384);
    key.text(BERTH_VERSION);
    const scmp_version* version = seccomp_version();
    key.number(version->major);
    key.number(version->minor);
    key.number(version->micro);
    key.number(seccomp_arch_native());
    key.number(supported_seccomp_flags());
    key.text(seccomp.defaultAction);
    key.optional(seccomp.defaultErrnoRet);
    key.texts(seccomp.architectures);
    key.texts(seccomp.flags);
    key.number(seccomp.syscalls.size());
    for (const spec::SeccompSyscall& rule : seccomp.syscalls) {
        key.texts(rule.names);
        key.text(rule.action);
        key.optional(rule.errnoRet);
        key.number(rule.args.size());
        for (const spec::SeccompArg& arg : rule.args) {
            key.number(arg.index);
            key.number(arg.value);
            key.number(arg.valueTwo);
            key.text(arg.op);
        }
    }
    return key.take();
}

bool is_ours_alone(int fd, mode_t type) {
    struct stat info{};
    return fstat(fd, &info) == 0 && (info.st_mode & S_IFMT) == type && info.st_uid == geteuid() &&
           (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/// Nothing if it isn't there, or isn't to be trusted.
std::optional<UniqueFd> open_directory(const std::string& path) {
    UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory) return std::nullopt;
    if (!is_ours_alone(directory.get(), S_IFDIR)) {
        log::warning("{}: not used as cache, since others may write to it", path);
        return std::nullopt;
    }
    return directory;
}

std::string_view bytes_of(const std::vector<sock_filter>& program) {
    return {reinterpret_cast<const char*>(program.data()), program.size() * sizeof(sock_filter)};
}

std::optional<CompiledFilter> decode(std::string_view file, std::string_view key) {
    Header header;
    const Header expected;
    if (file.size() < sizeof(header)) return std::nullopt;
    memcpy(&header, file.data(), sizeof(header));
    file.remove_prefix(sizeof(header));
    if (memcmp(header.magic, expected.magic, sizeof(header.magic)) != 0 || header.key_size != key.size() ||
        header.instruction_count == 0 || header.instruction_count > BPF_MAXINSNS ||
        file.size() != key.size() + header.instruction_count * sizeof(sock_filter))
        return std::nullopt;
    std::string_view instructions = file.substr(key.size());
    if (file.substr(0, key.size()) != key || checksum(header, instructions) != header.checksum)
        return std::nullopt;

    CompiledFilter filter;
    filter.flags = header.flags;
    filter.notify = header.notify != 0;
    filter.instructions.resize(header.instruction_count);
    memcpy(filter.instructions.data(), instructions.data(), instructions.size());
    return filter;
}

std::string encode(const CompiledFilter& filter, std::string_view key) {
    std::string_view instructions = bytes_of(filter.instructions);
    Header header;
    header.key_size = static_cast<uint32_t>(key.size());
    header.instruction_count = static_cast<uint32_t>(filter.instructions.size());
    header.flags = filter.flags;
    header.notify = filter.notify ? 1 : 0;
    header.checksum = checksum(header, instructions);
    std::string file(reinterpret_cast<const char*>(&header), sizeof(header));
    file.append(key).append(instructions);
    return file;
}

std::optional<CompiledFilter> load(int directory, const std::string& name, std::string_view key) {
    // Not blocked by a fifo that someone put there.
    UniqueFd fd(openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd || !is_ours_alone(fd.get(), S_IFREG)) return std::nullopt;
    return decode(sys::read_all(fd.get(), name), key);
}

/// Leaves room for one more. Temporary files of a writer that died count too.
void make_room(int directory) {
    std::vector<std::string> names = sys::list_dir(directory);
    if (names.size() < SeccompCache::kMaxEntries) return;
    std::vector<std::pair<int64_t, std::string>> by_age;
    for (std::string& name : names) {
        struct stat info{};
        if (fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0) continue;
        by_age.emplace_back(info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec, std::move(name));
    }
    std::ranges::sort(by_age);
    while (by_age.size() >= SeccompCache::kMaxEntries) {
        sys::remove_tree_at(directory, by_age.front().second);
        by_age.erase(by_age.begin());
    }
}

void store(const std::string& path, const std::string& name, std::string_view file) {
    if (size_t slash = path.rfind('/'); slash != std::string::npos && slash > 0)
        sys::make_dirs(path.substr(0, slash), 0755);
    if (mkdir(path.c_str(), 0700) < 0 && errno != EEXIST) throw errno_error(errno, "mkdir " + path);
    auto directory = open_directory(path);
    if (!directory) return;
    // A file of another owner is ours to replace, since the folder is. A folder in its place is not renamed
    // over.
    struct stat info{};
    if (fstatat(directory->get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISDIR(info.st_mode)) sys::remove_tree_at(directory->get(), name);
    } else {
        make_room(directory->get());
    }
    sys::write_file_atomic_at(directory->get(), name, file);
}

}  // namespace

CompiledFilter SeccompCache::get(const spec::Seccomp& seccomp) const {
    // The key is without the listener, so a hit alone doesn't prove that the whole is right.
    check_seccomp(seccomp);
    std::string key = make_key(seccomp);
    std::string name = fmt::format("{:016x}", hash(key));
    try {
        if (auto directory = open_directory(directory_))
            if (auto filter = load(directory->get(), name, key)) return *std::move(filter);
    } catch (const Error& error) {
        log::debug("the cache of seccomp filters: {}", error.what());
    }
    CompiledFilter filter = compile_seccomp(seccomp);
    try {
        store(directory_, name, encode(filter, key));
    } catch (const Error& error) {
        log::warning("the seccomp filter is not kept: {}", error.what());
    }
    return filter;
}

}  // namespace berth::runtime
