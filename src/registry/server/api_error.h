// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"

namespace berth::registry::server {

/// One entry of an error body (OCI distribution-spec, "Error Codes").
struct Problem {
    std::string code;
    std::string message;
    json::Value detail;
};

/// A failure that a client is told as such: an HTTP status, the body's entries and header fields.
class ApiError : public Error {
  public:
    ApiError(int status, std::string code, std::string message, json::Value detail = nullptr);
    ApiError(int status, std::vector<Problem> problems);

    ApiError&& with_header(std::string name, std::string value) &&;

    int status() const { return status_; }
    const std::vector<Problem>& problems() const { return problems_; }
    const std::vector<std::pair<std::string, std::string>>& headers() const { return headers_; }

  private:
    int status_;
    std::vector<Problem> problems_;
    std::vector<std::pair<std::string, std::string>> headers_;
};

/// {"errors":[{"code":…,"message":…,"detail":…}]}
std::string error_body(const std::vector<Problem>& problems);

/// What a client is told of any failure. A full disk and a busy database are 503; the words of what is not
/// the client's business go to the log and not to it.
ApiError to_api_error(std::exception_ptr error);

ApiError name_invalid(std::string_view name);
ApiError name_unknown(std::string_view name);
ApiError blob_unknown(const Digest& digest);
ApiError manifest_unknown(std::string_view repository, std::string_view reference);
ApiError upload_unknown(std::string_view id);
ApiError digest_invalid(std::string_view text, std::string_view why);
ApiError unsupported(std::string_view why);

}  // namespace berth::registry::server
