// SPDX-License-Identifier: Apache-2.0
#include "registry/server/api_error.h"

#include <cerrno>

#include "base/log.h"
#include "http/message.h"

namespace berth::registry::server {

namespace {

ErrorKind kind_of(int status) {
    switch (status) {
        case 401: return ErrorKind::unauthorized;
        case 403: return ErrorKind::forbidden;
        case 404: return ErrorKind::not_found;
        case 409: return ErrorKind::conflict;
        case 405: return ErrorKind::not_implemented;
        case 503: return ErrorKind::unavailable;
        default: return status < 500 ? ErrorKind::invalid_argument : ErrorKind::internal;
    }
}

json::Value name_detail(std::string_view name) {
    json::Object detail;
    detail["name"] = name;
    return detail;
}

}  // namespace

ApiError::ApiError(int status, std::string code, std::string message, json::Value detail)
    : Error(kind_of(status), code + ": " + message), status_(status) {
    problems_.push_back({std::move(code), std::move(message), std::move(detail)});
}

ApiError::ApiError(int status, std::vector<Problem> problems)
    : Error(kind_of(status), problems.empty() ? "" : problems[0].code + ": " + problems[0].message),
      status_(status),
      problems_(std::move(problems)) {}

ApiError&& ApiError::with_header(std::string name, std::string value) && {
    headers_.emplace_back(std::move(name), std::move(value));
    return std::move(*this);
}

std::string error_body(const std::vector<Problem>& problems) {
    json::Array errors;
    for (const Problem& problem : problems) {
        json::Object entry;
        entry["code"] = problem.code;
        entry["message"] = problem.message;
        if (!problem.detail.is_null()) entry["detail"] = problem.detail;
        errors.push_back(std::move(entry));
    }
    json::Object body;
    body["errors"] = std::move(errors);
    return json::print(body) + '\n';
}

ApiError to_api_error(std::exception_ptr error) {
    try {
        std::rethrow_exception(error);
    } catch (const ApiError& told) {
        return told;
    } catch (const http::StatusError& failure) {
        return ApiError(failure.status(), failure.status() == 413 ? "SIZE_INVALID" : "UNSUPPORTED",
                        failure.what());
    } catch (const Error& failure) {
        if (failure.code() == ENOSPC || failure.code() == EDQUOT) {
            log::error("{}", failure.what());
            return ApiError(503, "UNAVAILABLE", "the registry's disk is full");
        }
        switch (failure.kind()) {
            case ErrorKind::invalid_argument: return ApiError(400, "UNSUPPORTED", failure.what());
            case ErrorKind::not_found: return ApiError(404, "NAME_UNKNOWN", failure.what());
            case ErrorKind::unauthorized: return ApiError(401, "UNAUTHORIZED", failure.what());
            case ErrorKind::forbidden:
                if (failure.code() != 0) break;  // ours at a file, not the client's at a repository
                return ApiError(403, "DENIED", failure.what());
            case ErrorKind::unavailable:
                log::error("{}", failure.what());
                return ApiError(503, "UNAVAILABLE", "service unavailable");
            case ErrorKind::conflict:
            case ErrorKind::not_modified:
            case ErrorKind::not_implemented:
            case ErrorKind::internal: break;
        }
        log::error("{}", failure.what());
    } catch (...) {
        log::error("{}", current_exception_message());
    }
    return ApiError(500, "UNKNOWN", "unknown error");
}

ApiError name_invalid(std::string_view name) {
    return ApiError(400, "NAME_INVALID", "invalid repository name", name_detail(name));
}

ApiError name_unknown(std::string_view name) {
    return ApiError(404, "NAME_UNKNOWN", "repository name not known to registry", name_detail(name));
}

ApiError blob_unknown(const Digest& digest) {
    json::Object detail;
    detail["digest"] = digest.text();
    return ApiError(404, "BLOB_UNKNOWN", "blob unknown to registry", std::move(detail));
}

ApiError manifest_unknown(std::string_view repository, std::string_view reference) {
    json::Object detail;
    detail["name"] = repository;
    detail["reference"] = reference;
    return ApiError(404, "MANIFEST_UNKNOWN", "manifest unknown", std::move(detail));
}

ApiError upload_unknown(std::string_view id) {
    json::Object detail;
    detail["id"] = id;
    return ApiError(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry", std::move(detail));
}

ApiError digest_invalid(std::string_view text, std::string_view why) {
    json::Object detail;
    detail["digest"] = text;
    detail["reason"] = why;
    return ApiError(400, "DIGEST_INVALID", "provided digest did not match uploaded content",
                    std::move(detail));
}

ApiError unsupported(std::string_view why) {
    return ApiError(405, "UNSUPPORTED", "The operation is unsupported.", json::Value(why));
}

}  // namespace berth::registry::server
