// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <vector>

#include "base/strings.h"
#include "http/tls.h"

namespace berth::http {

namespace {

struct SubjectNames {
    std::vector<std::string> dns, ip;
};

std::string ip_text(const ASN1_OCTET_STRING* address) {
    const unsigned char* data = ::ASN1_STRING_get0_data(address);
    int length = ::ASN1_STRING_length(address);
    char text[INET6_ADDRSTRLEN] = "";
    if (length == 4) ::inet_ntop(AF_INET, data, text, sizeof text);
    if (length == 16) ::inet_ntop(AF_INET6, data, text, sizeof text);
    return text;
}

SubjectNames subject_names(X509* certificate) {
    SubjectNames names;
    std::unique_ptr<GENERAL_NAMES, decltype(&::GENERAL_NAMES_free)> all(
        static_cast<GENERAL_NAMES*>(::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
        &::GENERAL_NAMES_free);
    for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
        if (name->type == GEN_DNS)
            names.dns.emplace_back(reinterpret_cast<const char*>(::ASN1_STRING_get0_data(name->d.dNSName)),
                                   static_cast<size_t>(::ASN1_STRING_length(name->d.dNSName)));
        if (name->type == GEN_IPADD) names.ip.push_back(ip_text(name->d.iPAddress));
    }
    return names;
}

std::string name_mismatch(X509* certificate, const std::string& host, bool host_is_ip) {
    SubjectNames names = certificate == nullptr ? SubjectNames() : subject_names(certificate);
    if (host_is_ip) {
        if (names.ip.empty())
            return fmt::format("cannot validate certificate for {} because it doesn't contain any IP SANs",
                               host);
        return fmt::format("certificate is valid for {}, not {}", join(names.ip, ", "), host);
    }
    if (names.dns.empty() && names.ip.empty())
        return "certificate relies on legacy Common Name field, use SANs instead";
    if (names.dns.empty())
        return fmt::format("certificate is not valid for any names, but wanted to match {}", host);
    return fmt::format("certificate is valid for {}, not {}", join(names.dns, ", "), host);
}

std::string failure_of(int code, X509* leaf, const std::string& host) {
    switch (code) {
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_CERT_UNTRUSTED: return "certificate signed by unknown authority";
        case X509_V_ERR_CERT_HAS_EXPIRED:
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return fmt::format("certificate has expired or is not yet valid: current time is {}",
                               rfc3339(now_ns()));
        case X509_V_ERR_HOSTNAME_MISMATCH: return name_mismatch(leaf, host, false);
        case X509_V_ERR_IP_ADDRESS_MISMATCH: return name_mismatch(leaf, host, true);
        default: return ::X509_verify_cert_error_string(code);
    }
}

}  // namespace

int note_verification(int accepted, X509_STORE_CTX* chain) {
    if (accepted == 1) return 1;
    auto* connection =
        static_cast<SSL*>(::X509_STORE_CTX_get_ex_data(chain, ::SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto* verification = static_cast<Verification*>(SSL_get_app_data(connection));
    try {
        verification->failure = "tls: failed to verify certificate: x509: " +
                                failure_of(::X509_STORE_CTX_get_error(chain),
                                           ::X509_STORE_CTX_get0_cert(chain), verification->host);
    } catch (...) {  // no exception may cross OpenSSL
    }
    return 0;
}

}  // namespace berth::http
