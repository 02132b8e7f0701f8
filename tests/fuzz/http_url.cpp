// SPDX-License-Identifier: Apache-2.0
// URLs, references, queries, escapes and NO_PROXY.
#include "http/message.h"
#include "http/proxy.h"
#include "tests/fuzz/property.h"

using namespace berth;
using fuzz::require;

namespace {

void check_url(const http::Url& url) {
    require(!url.host.empty() && url.target.starts_with('/'), "a URL has a host and a target");
    for (const std::string* part : {&url.host, &url.target})
        for (char c : *part)
            require(static_cast<unsigned char>(c) > ' ' && c != 0x7f,
                    "nothing can be injected into a request line");
    http::Url again = http::Url::parse(url.text());
    require(again.text() == url.text() && again.host == url.host && again.target == url.target,
            "what is printed is read back the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    fuzz::Bytes bytes(data, size);
    std::string first(bytes.text()), second(bytes.text()), all(fuzz::as_text(data, size));
    http::Url url;
    if (fuzz::is_valid([&] { url = http::Url::parse(first); })) {
        check_url(url);
        http::Url target;
        if (fuzz::is_valid([&] { target = url.resolve(second); })) check_url(target);
        fuzz::is_valid([&] { http::proxy_for(url, "proxy:1", second, second); });
    }
    require(http::percent_decode(http::percent_encode(all)) == all, "escapes are taken off again");
    for (const auto& [key, value] : http::Query::parse(all)) {
        require(http::Query::parse(http::percent_encode(key) + "=" + http::percent_encode(value)).get(key) ==
                        value ||
                    key.empty(),
                "pairs can be written again");
    }
    return 0;
}
