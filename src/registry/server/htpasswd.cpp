// SPDX-License-Identifier: Apache-2.0
#include "registry/server/htpasswd.h"

#include <crypt.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/strings.h"
#include "sys/file.h"

namespace berth::registry::server {

namespace {

/// What an unknown user's password is compared with, so that the answer takes as long. Cost 10, the hash of
/// nothing that anybody knows.
constexpr std::string_view kNobody = "$2y$10$xYh9.6v1Wv0YWju2r5pIn.8KNyu6jd6ysoaqLqMbkVkK2qe5b48N.";

bool is_bcrypt(std::string_view hash) {
    return hash.size() == 60 &&
           (hash.starts_with("$2y$") || hash.starts_with("$2a$") || hash.starts_with("$2b$")) &&
           hash[6] == '$' && parse_number<unsigned>(hash.substr(4, 2)).has_value();
}

Htpasswd parse_file(const std::string& path) {
    std::string text = with_context("reading passwords", [&] { return sys::read_file(path); });
    return Htpasswd::parse(text, path);
}

}  // namespace

Htpasswd Htpasswd::parse(std::string_view text, std::string_view name) {
    Htpasswd result;
    size_t number = 0;
    for (std::string_view raw : split(text, '\n')) {
        ++number;
        std::string_view line = trim(raw);
        if (line.empty() || line.starts_with('#')) continue;
        auto fail = [&](std::string_view problem) {
            return make_error(ErrorKind::invalid_argument, "{}: line {}: {}", name, number, problem);
        };
        size_t colon = line.find(':');
        if (colon == std::string_view::npos || colon == 0) throw fail("expected user:hash");
        std::string_view user = line.substr(0, colon), hash = line.substr(colon + 1);
        if (!is_bcrypt(hash))
            throw fail(
                fmt::format("the password of {} is not hashed with bcrypt (use htpasswd -B)", quote(user)));
        if (!result.users_.emplace(user, hash).second)
            throw fail(fmt::format("the user {} is there twice", quote(user)));
    }
    return result;
}

std::string_view Htpasswd::hash(std::string_view user) const {
    auto found = users_.find(user);
    return found == users_.end() ? std::string_view() : std::string_view(found->second);
}

bool Htpasswd::verify(const std::string& user, const std::string& password) const {
    std::string wanted(hash(user));
    bool known = !wanted.empty();
    if (!known) wanted = kNobody;
    auto work = std::make_unique<crypt_data>();
    const char* made = ::crypt_r(password.c_str(), wanted.c_str(), work.get());
    return made != nullptr && equal_secrets(made, wanted) && known;
}

HtpasswdFile::HtpasswdFile(std::string path) : path_(std::move(path)) {
    version_ = version().value_or(Version{});
    content_ = read();
}

std::optional<HtpasswdFile::Version> HtpasswdFile::version() const {
    struct stat status{};
    if (::stat(path_.c_str(), &status) < 0) return std::nullopt;
    return Version{status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec, status.st_ino,
                   static_cast<uint64_t>(status.st_size)};
}

std::shared_ptr<const Htpasswd> HtpasswdFile::read() const {
    return std::make_shared<const Htpasswd>(parse_file(path_));
}

std::shared_ptr<const Htpasswd> HtpasswdFile::current() {
    std::lock_guard lock(mutex_);
    std::optional<Version> now = version();
    if (now && *now != version_) {
        version_ = *now;
        try {
            content_ = read();
        } catch (const Error& error) {
            log::warning("{}; the passwords read before stay in force", error.what());
        }
    }
    return content_;
}

std::string keyed_hash(std::string_view key, std::string_view text) {
    constexpr size_t kBlock = 64;
    std::string block(key.size() > kBlock ? Digest::of(key).hex() : key);
    block.resize(kBlock, '\0');
    auto masked = [&](char mask) {
        std::string pad = block;
        for (char& c : pad) c = static_cast<char>(c ^ mask);
        return pad;
    };
    // Both hashes are of a keyed block and of a text, as in the RFC; the inner one goes in as hexadecimal
    // digits.
    Hasher inner, outer;
    inner.update(masked(0x36));
    inner.update(text);
    outer.update(masked(0x5c));
    outer.update(inner.finish().hex());
    return std::string(outer.finish().hex());
}

bool equal_secrets(std::string_view one, std::string_view other) {
    if (one.size() != other.size()) return false;
    unsigned difference = 0;
    for (size_t i = 0; i < one.size(); ++i)
        difference |= static_cast<unsigned char>(one[i]) ^ static_cast<unsigned char>(other[i]);
    return difference == 0;
}

}  // namespace berth::registry::server
