// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <cctype>
#include <cerrno>
#include <cstring>

namespace berth {

std::string_view to_string(ErrorKind kind) noexcept {
    switch (kind) {
        case ErrorKind::not_found: return "not found";
        case ErrorKind::conflict: return "conflict";
        case ErrorKind::invalid_argument: return "invalid argument";
        case ErrorKind::unauthorized: return "unauthorized";
        case ErrorKind::forbidden: return "forbidden";
        case ErrorKind::not_modified: return "not modified";
        case ErrorKind::unavailable: return "unavailable";
        case ErrorKind::not_implemented: return "not implemented";
        case ErrorKind::internal: return "internal";
    }
    return "internal";
}

Error& Error::add_context(std::string_view context) {
    message_ = fmt::format("{}: {}", context, message_);
    return *this;
}

namespace {

ErrorKind kind_of_errno(int code) {
    switch (code) {
        case ENOENT:
        case ESRCH:
        case ENODEV: return ErrorKind::not_found;
        case EEXIST:
        case EBUSY:
        case ENOTEMPTY: return ErrorKind::conflict;
        case EACCES:
        case EPERM:
        case EROFS: return ErrorKind::forbidden;
        case EINVAL:
        case ENAMETOOLONG:
        case ENOTDIR:
        case EISDIR:
        case ELOOP: return ErrorKind::invalid_argument;
        case ENOSYS:
        case EOPNOTSUPP: return ErrorKind::not_implemented;
        case EAGAIN:
        case ENOSPC:
        case ECONNREFUSED:
        case ETIMEDOUT: return ErrorKind::unavailable;
        default: return ErrorKind::internal;
    }
}

}  // namespace

std::string errno_text(int code) {
    const char* text = strerrordesc_np(code);
    if (text == nullptr) return fmt::format("errno {}", code);
    std::string result = text;
    // "No such file" reads as a part of a sentence, "RPC …" and other acronyms stay as they are.
    if (result.size() > 1 && std::islower(static_cast<unsigned char>(result[1])))
        result[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(result[0])));
    return result;
}

Error errno_error(int code, std::string_view what) {
    return Error(kind_of_errno(code), fmt::format("{}: {}", what, errno_text(code)), code);
}

std::string current_exception_message() noexcept {
    try {
        throw;
    } catch (const std::exception& error) {
        return error.what();
    } catch (...) {
        return "unknown exception";
    }
}

}  // namespace berth
