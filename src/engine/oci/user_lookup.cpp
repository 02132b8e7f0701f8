// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/user_lookup.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

constexpr off_t kMaxFileSize = 4 << 20;

/// The first `size` bytes: what is written to it meanwhile is nobody's user yet.
std::string read_first(int file, off_t size, const char* path) {
    std::string text(static_cast<size_t>(size), '\0');
    size_t filled = 0;
    while (filled < text.size()) {
        ssize_t got =
            sys::check(sys::retry([&] { return read(file, text.data() + filled, text.size() - filled); }),
                       [&] { return fmt::format("read {}", path); });
        if (got == 0) break;
        filled += static_cast<size_t>(got);
    }
    text.resize(filled);
    return text;
}

/// Of the container's tree. "" where it isn't a plain file.
std::string read_beneath(int root, const char* path) {
    if (root < 0) return {};
    // With O_PATH first: to open a device, which the container may have put there, has effects on the host.
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    UniqueFd found(
        static_cast<int>(sys::retry([&] { return syscall(SYS_openat2, root, path, &how, sizeof how); })));
    struct stat info{};
    if (!found || fstat(found.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > kMaxFileSize)
        return {};
    UniqueFd file = sys::open_file(fmt::format("/proc/self/fd/{}", found.get()), O_RDONLY | O_NONBLOCK);
    return read_first(file.get(), info.st_size, path);
}

/// A number that a user or group may have; of another size: an error, as with Docker.
std::optional<uint32_t> parse_id(std::string_view text) {
    auto number = parse_number<int64_t>(text);
    if (!number) return std::nullopt;
    if (*number < 0 || *number > INT_MAX)
        throw Error(ErrorKind::invalid_argument, "uids and gids must be in range 0-2147483647");
    return static_cast<uint32_t>(*number);
}

/// Lines of passwd(5) or group(5), split at ':'. Comments and short lines are skipped.
template <typename Each>
void each_entry(const std::string& text, size_t fields, Each&& each) {
    for (std::string_view line : split(text, '\n')) {
        line = trim(line);
        if (line.empty() || line.starts_with('#')) continue;
        auto parts = split(line, ':');
        if (parts.size() < fields) continue;
        if (!each(parts)) return;
    }
}

struct Account {
    std::string name;  ///< "" where passwd has none
    uint32_t uid = 0, gid = 0;
};

/// name:password:uid:gid:… — the first entry counts.
Account find_account(const std::string& passwd, std::string_view user) {
    std::optional<uint32_t> uid = user.empty() ? std::optional<uint32_t>(0) : parse_id(user);
    std::optional<Account> found;
    each_entry(passwd, 4, [&](const std::vector<std::string_view>& parts) {
        auto entry_uid = parse_number<uint32_t>(parts[2]);
        auto entry_gid = parse_number<uint32_t>(parts[3]);
        if (!entry_uid || !entry_gid || (uid ? *entry_uid != *uid : parts[0] != user)) return true;
        found = Account{std::string(parts[0]), *entry_uid, *entry_gid};
        return false;
    });
    if (found) return *found;
    if (!uid)
        throw make_error(ErrorKind::invalid_argument,
                         "unable to find user {}: no matching entries in passwd file", user);
    return {"", *uid, 0};
}

/// name:password:gid:members — as a number a group needs no entry.
std::optional<uint32_t> find_group(const std::string& groups, std::string_view wanted) {
    std::optional<uint32_t> number = parse_id(wanted);
    std::optional<uint32_t> found;
    each_entry(groups, 3, [&](const std::vector<std::string_view>& parts) {
        auto gid = parse_number<uint32_t>(parts[2]);
        if (!gid || (number ? *gid != *number : parts[0] != wanted)) return true;
        found = gid;
        return false;
    });
    return found ? found : number;
}

std::vector<uint32_t> groups_with_member(const std::string& groups, std::string_view name) {
    std::vector<uint32_t> result;
    each_entry(groups, 4, [&](const std::vector<std::string_view>& parts) {
        auto gid = parse_number<uint32_t>(parts[2]);
        auto members = split(parts[3], ',');
        if (gid && std::ranges::find(members, name) != members.end()) result.push_back(*gid);
        return true;
    });
    return result;
}

/// Each once, in the order of their adding. An image's file may have a million of them.
class GroupList {
  public:
    void add(uint32_t gid) {
        if (known_.insert(gid).second) gids_.push_back(gid);
    }
    std::vector<uint32_t> take() { return std::move(gids_); }

  private:
    std::vector<uint32_t> gids_;
    std::unordered_set<uint32_t> known_;
};

}  // namespace

spec::User find_user(int root, std::string_view user, const std::vector<std::string>& groups) {
    size_t colon = user.find(':');
    std::string_view name = user.substr(0, colon);
    std::string_view group = colon == std::string_view::npos ? std::string_view() : user.substr(colon + 1);

    Account account = find_account(read_beneath(root, "etc/passwd"), name);
    spec::User result;
    result.uid = account.uid;
    result.gid = account.gid;

    bool needs_groups = !group.empty() || !account.name.empty() || !groups.empty();
    std::string group_file = needs_groups ? read_beneath(root, "etc/group") : std::string();
    std::vector<uint32_t> more;
    if (!group.empty()) {
        auto gid = find_group(group_file, group);
        if (!gid)
            throw make_error(ErrorKind::invalid_argument,
                             "unable to find group {}: no matching entries in group file", group);
        result.gid = *gid;
    } else if (!account.name.empty()) {
        more = groups_with_member(group_file, account.name);
    }
    GroupList all;
    all.add(result.gid);
    for (uint32_t gid : more) all.add(gid);
    for (const std::string& one : groups) {
        auto gid = find_group(group_file, one);
        if (!gid)
            throw make_error(ErrorKind::invalid_argument,
                             "Unable to find group {}: no matching entries in group file", one);
        all.add(*gid);
    }
    result.additionalGids = all.take();
    return result;
}

}  // namespace berth::engine
