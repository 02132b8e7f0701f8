// SPDX-License-Identifier: Apache-2.0
#include "registry/client/response_error.h"

#include <boost/describe/class.hpp>

#include "base/json.h"
#include "base/strings.h"

namespace berth::registry {

namespace {

struct ErrorEntry {
    std::string code, message;
};
BOOST_DESCRIBE_STRUCT(ErrorEntry, (), (code, message))

struct ErrorBody {
    std::vector<ErrorEntry> errors;
    std::string details;  ///< of token servers that keep to no specification
    std::string message;
};
BOOST_DESCRIBE_STRUCT(ErrorBody, (), (errors, details, message))

constexpr size_t kMaxShown = 4096;

ErrorKind kind_of(int status) {
    switch (status) {
        case 401: return ErrorKind::unauthorized;
        case 403: return ErrorKind::forbidden;
        case 404: return ErrorKind::not_found;
        case 400:
        case 405:
        case 413:
        case 415:
        case 416: return ErrorKind::invalid_argument;
        case 409: return ErrorKind::conflict;
        default: return ErrorKind::unavailable;
    }
}

std::string_view code_of(int status) {
    switch (status) {
        case 401: return "UNAUTHORIZED";
        case 403: return "DENIED";
        case 404: return "NOT_FOUND";
        case 429: return "TOOMANYREQUESTS";
        case 503: return "UNAVAILABLE";
        default: return "UNKNOWN";
    }
}

/// As Go's client prints a code: lower case, blanks for underscores.
std::string code_words(std::string_view code) {
    std::string words(code);
    for (char& c : words) {
        if (c == '_') c = ' ';
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return words;
}

/// Terminals and logs get no control characters from a stranger.
std::string printable(std::string_view text) {
    std::string result;
    for (char c : text.substr(0, kMaxShown)) result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    return std::string(trim(result));
}

ErrorBody parse_body(std::string_view body) {
    try {
        return json::decode_text<ErrorBody>(body);
    } catch (const Error&) {
        return {};
    }
}

std::string describe(const ErrorEntry& entry) {
    std::string words = code_words(printable(entry.code));
    std::string message = printable(entry.message);
    return message.empty() ? words + ": " + words : words + ": " + message;
}

}  // namespace

ResponseError response_error(int status, const std::vector<Challenge>& challenges, std::string_view body) {
    // RFC 6750, 3.1: with a token that was not good enough the challenge says more than the body.
    if (status == 401) {
        for (const Challenge& challenge : challenges) {
            if (challenge.scheme != "bearer") continue;
            if (challenge.get("error") == "insufficient_scope")
                return {status, "DENIED", ErrorKind::forbidden,
                        "denied: requested access to the resource is denied"};
            if (challenge.get("error") == "invalid_token")
                return {status, "UNAUTHORIZED", ErrorKind::unauthorized,
                        "unauthorized: authentication required"};
        }
    }
    ErrorBody parsed = parse_body(body);
    if (!parsed.errors.empty()) {
        std::string code = printable(parsed.errors[0].code);
        if (code.empty()) code = code_of(status);
        if (parsed.errors.size() == 1) return {status, code, kind_of(status), describe(parsed.errors[0])};
        std::string all = "errors:";
        for (size_t i = 0; i < parsed.errors.size() && i < 8; ++i) all += '\n' + describe(parsed.errors[i]);
        return {status, code, kind_of(status), all};
    }
    std::string told = printable(!parsed.details.empty() ? parsed.details : parsed.message);
    std::string code(code_of(status));
    if (status == 401 && told.empty()) told = "authentication required";
    if (status == 403 && told.empty()) told = "requested access to the resource is denied";
    if (status == 404 && told.empty()) told = "404 Not Found";
    if (!told.empty()) return {status, code, kind_of(status), code_words(code) + ": " + told};
    std::string message =
        fmt::format("received unexpected HTTP status: {} {}", status, http::reason_phrase(status));
    return {status, code, kind_of(status), message};
}

}  // namespace berth::registry
