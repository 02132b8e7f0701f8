// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "http/message.h"
#include "registry/client/challenge.h"

namespace berth::registry {

/// A registry's answer that is a failure (OCI distribution-spec, "Error Codes"), in the words of Docker's
/// client: "manifest unknown: manifest unknown", "toomanyrequests: …". Stays inside of registry/client: at
/// its edges it becomes a plain Error with the name of the image, see pull.cpp and push.cpp.
class ResponseError : public Error {
  public:
    ResponseError(int status, std::string code, ErrorKind kind, std::string message)
        : Error(kind, std::move(message)), status_(status), code_(std::move(code)) {}

    int status() const { return status_; }
    /// "MANIFEST_UNKNOWN"; what the status stands for where the body told none.
    const std::string& registry_code() const { return code_; }
    bool is_denied() const { return code_ == "DENIED"; }

  private:
    int status_;
    std::string code_;
};

/// From a response's status, its challenges and its body (which may be anything: HTML of a proxy, nothing,
/// garbage; at most its first 4 KiB are shown).
ResponseError response_error(int status, const std::vector<Challenge>& challenges, std::string_view body);

}  // namespace berth::registry
