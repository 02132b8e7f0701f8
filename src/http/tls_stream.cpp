// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "async/socket.h"
#include "base/error.h"
#include "http/tls.h"

namespace berth::http {

namespace {

/// What OpenSSL reads from and writes to: the socket, without SIGPIPE. Keeps the first bytes that came, which
/// tell why a handshake failed with a peer that doesn't speak TLS.
struct Transport {
    int fd = -1;
    int code = 0;  ///< errno of the last failure other than EAGAIN
    char first[8] = {};
    size_t first_size = 0;
};

Transport& transport_of(BIO* bio) {
    return *static_cast<Transport*>(::BIO_get_data(bio));
}

int transport_read(BIO* bio, char* into, int size) {
    Transport& transport = transport_of(bio);
    ::BIO_clear_retry_flags(bio);
    ssize_t count = ::recv(transport.fd, into, static_cast<size_t>(size), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        ::BIO_set_retry_read(bio);
    else if (count < 0)
        transport.code = errno;
    if (count > 0 && transport.first_size < sizeof transport.first) {
        size_t wanted = std::min(sizeof transport.first - transport.first_size, static_cast<size_t>(count));
        std::memcpy(transport.first + transport.first_size, into, wanted);
        transport.first_size += wanted;
    }
    if (count == 0) ::BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return static_cast<int>(count);
}

int transport_write(BIO* bio, const char* data, int size) {
    Transport& transport = transport_of(bio);
    ::BIO_clear_retry_flags(bio);
    ssize_t count = ::send(transport.fd, data, static_cast<size_t>(size), MSG_NOSIGNAL);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        ::BIO_set_retry_write(bio);
    else if (count < 0)
        transport.code = errno;
    return static_cast<int>(count);
}

long transport_control(BIO* bio, int command, long, void*) {
    switch (command) {
        case BIO_CTRL_FLUSH: return 1;
        case BIO_CTRL_EOF: return ::BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
        default: return 0;
    }
}

BIO_METHOD* transport_method() {
    static BIO_METHOD* const method = [] {
        BIO_METHOD* made = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "berth socket");
        ::BIO_meth_set_read(made, transport_read);
        ::BIO_meth_set_write(made, transport_write);
        ::BIO_meth_set_ctrl(made, transport_control);
        return made;
    }();
    return method;
}

bool is_ip(const std::string& host) {
    in6_addr ignored;
    return ::inet_pton(AF_INET, host.c_str(), &ignored) == 1 ||
           ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

class TlsStream : public async::Stream {
  public:
    TlsStream(std::shared_ptr<TlsContext> context, std::unique_ptr<async::Stream> plain)
        : context_(std::move(context)), plain_(std::move(plain)), socket_(plain_->socket()) {
        if (socket_ == nullptr)
            throw Error(ErrorKind::not_implemented, "tls: the connection is no plain socket");
        transport_.fd = socket_->fd();
        ssl_.reset(::SSL_new(context_->get()));
        BIO* bio = ssl_ ? ::BIO_new(transport_method()) : nullptr;
        if (bio == nullptr) throw make_error(ErrorKind::internal, "tls: {}", take_tls_error());
        ::BIO_set_data(bio, &transport_);
        ::BIO_set_init(bio, 1);
        ::SSL_set_bio(ssl_.get(), bio, bio);
        SSL_set_app_data(ssl_.get(), &verification_);
    }
    ~TlsStream() override { TlsStream::close(); }

    SSL* ssl() { return ssl_.get(); }
    std::string_view first_bytes() const { return {transport_.first, transport_.first_size}; }

    /// Whom the certificate must be for.
    void expect_host(const std::string& host) {
        verification_.host = host;
        X509_VERIFY_PARAM* parameters = ::SSL_get0_param(ssl_.get());
        if (is_ip(host)) {
            ::X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str());
            return;
        }
        // Names are looked for where they belong, not in the common name (RFC 9525, 6.3).
        ::X509_VERIFY_PARAM_set_hostflags(
            parameters, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        ::X509_VERIFY_PARAM_set1_host(parameters, host.c_str(), host.size());
        SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
    }

    /// Throws without a context of its own; verification comes first among the reasons.
    async::Task<void> shake_hands() {
        while (true) {
            ::ERR_clear_error();
            int result = ::SSL_do_handshake(ssl_.get());
            if (result == 1) break;
            int error = ::SSL_get_error(ssl_.get(), result);
            if (error == SSL_ERROR_WANT_READ) {
                co_await socket_->wait(async::Direction::read);
            } else if (error == SSL_ERROR_WANT_WRITE) {
                co_await socket_->wait(async::Direction::write);
            } else {
                std::string why = verification_.failure;
                if (why.empty()) why = "tls: " + reason(error);
                throw Error(ErrorKind::unavailable, std::move(why));
            }
        }
        connected_ = true;
    }

    async::Task<size_t> read_some(std::span<std::byte> into) override {
        // Before the transfer: what was received is given to the caller even where it is being cancelled.
        if (socket_->must_yield()) co_await socket_->yield();
        while (true) {
            socket_->check_open(async::Direction::read);
            ::ERR_clear_error();
            size_t count = 0;
            int result = ::SSL_read_ex(ssl_.get(), into.data(), into.size(), &count);
            if (result == 1) co_return count;
            int error = ::SSL_get_error(ssl_.get(), result);
            if (error == SSL_ERROR_ZERO_RETURN) co_return 0;
            co_await wait_for(error, async::Direction::read);
        }
    }

    async::Task<void> wait_readable() override {
        if (::SSL_has_pending(ssl_.get()) == 1) co_return;
        std::byte byte;
        while (true) {
            socket_->check_open(async::Direction::read);
            ssize_t count = ::recv(socket_->fd(), &byte, 1, MSG_PEEK);
            if (count >= 0 || (errno != EAGAIN && errno != EINTR)) co_return;
            co_await socket_->wait_idle();
        }
    }

    async::Task<void> write(std::span<const std::byte> data) override {
        while (!data.empty()) {
            socket_->check_open(async::Direction::write);
            ::ERR_clear_error();
            size_t count = 0;
            int result = ::SSL_write_ex(ssl_.get(), data.data(), data.size(), &count);
            if (result == 1) {
                data = data.subspan(count);
                if (socket_->must_yield() && !data.empty()) co_await socket_->yield();
                continue;
            }
            int error = ::SSL_get_error(ssl_.get(), result);
            co_await wait_for(error, async::Direction::write);
        }
    }

    async::Task<void> write_pieces(std::span<const std::span<const std::byte>> pieces) override {
        // Small pieces would each make a record and a packet.
        constexpr size_t kRecord = 16 * 1024;
        std::vector<std::byte> joined;
        for (std::span<const std::byte> piece : pieces) {
            size_t room = kRecord - joined.size();
            if (piece.size() > room && !joined.empty()) {
                joined.insert(joined.end(), piece.begin(), piece.begin() + static_cast<ptrdiff_t>(room));
                piece = piece.subspan(room);
                co_await write(joined);
                joined.clear();
            }
            size_t whole = piece.size() - piece.size() % kRecord;
            co_await write(piece.first(whole));
            joined.insert(joined.end(), piece.begin() + static_cast<ptrdiff_t>(whole), piece.end());
        }
        co_await write(joined);
    }

    async::Task<void> send_file(int fd, uint64_t offset, uint64_t length) override {
        return async::copy_file(*this, fd, offset, length);
    }

    async::Task<void> shutdown_write() override {
        socket_->check_open(async::Direction::write);
        ::ERR_clear_error();
        int result = ::SSL_shutdown(ssl_.get());
        if (result < 0 && ::SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_WRITE) {
            co_await socket_->wait(async::Direction::write);
            ::SSL_shutdown(ssl_.get());
        }
        ::ERR_clear_error();
        co_await plain_->shutdown_write();
    }

    void close() override {
        if (transport_.fd < 0) return;
        // The peer may well be gone: its "close notify" is sent if there is room for it.
        if (connected_) ::SSL_shutdown(ssl_.get());
        ::ERR_clear_error();
        transport_.fd = -1;
        plain_->close();
    }

    void set_idle_timeout(std::chrono::milliseconds limit) override { plain_->set_idle_timeout(limit); }
    void set_read_deadline(std::optional<async::Socket::Clock::time_point> end) override {
        plain_->set_read_deadline(end);
    }
    int fd() const override { return plain_->fd(); }
    void move_to(async::Context& context) override { plain_->move_to(context); }
    std::string peer() const override { return plain_->peer(); }

  private:
    /// OpenSSL may want to read to write, and the other way round.
    async::Task<void> wait_for(int error, async::Direction doing) {
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
            return socket_->wait(error == SSL_ERROR_WANT_READ ? async::Direction::read
                                                              : async::Direction::write);
        connected_ = false;  // no "close notify" after a fatal error
        if (transport_.code != 0) throw socket_->failure(doing, transport_.code);
        std::string why = reason(error);
        throw make_error(ErrorKind::unavailable, "{} {}: tls: {}",
                         doing == async::Direction::read ? "read from" : "write to", socket_->peer(), why);
    }

    std::string reason(int error) {
        if (error == SSL_ERROR_SYSCALL && transport_.code != 0) return errno_text(transport_.code);
        if (error == SSL_ERROR_SYSCALL) return "unexpected EOF";
        unsigned long code = ::ERR_peek_error();
        if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
            return "unexpected EOF";
        // Alerts of the peer: reasons from 1000 on (RFC 8446, 6).
        bool alert = ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) > SSL_AD_REASON_OFFSET;
        return (alert ? "remote error: " : "") + take_tls_error();
    }

    struct Free {
        void operator()(SSL* ssl) const { ::SSL_free(ssl); }
    };

    std::shared_ptr<TlsContext> context_;
    std::unique_ptr<async::Stream> plain_;
    async::Socket* socket_;
    Transport transport_;
    Verification verification_;
    std::unique_ptr<SSL, Free> ssl_;
    bool connected_ = false;
};

std::string common_name(SSL* ssl) {
    X509* certificate = ::SSL_get0_peer_certificate(ssl);
    if (certificate == nullptr) return {};
    X509_NAME* subject = ::X509_get_subject_name(certificate);
    int place = ::X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (place < 0) return {};
    unsigned char* text = nullptr;
    int length =
        ::ASN1_STRING_to_UTF8(&text, ::X509_NAME_ENTRY_get_data(::X509_NAME_get_entry(subject, place)));
    if (length < 0) return {};
    std::string name(reinterpret_cast<const char*>(text), static_cast<size_t>(length));
    ::OPENSSL_free(text);
    return name;
}

bool is_http_request(std::string_view text) {
    for (std::string_view method : {"GET ", "HEAD ", "POST ", "PUT ", "PATCH ", "DELETE ", "OPTIONS"})
        if (text.starts_with(method)) return true;
    return false;
}

}  // namespace

async::Task<TlsAccepted> tls_accept(std::shared_ptr<TlsContext> context,
                                    std::unique_ptr<async::Stream> plain) {
    constexpr std::string_view kNotice =
        "HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nClient sent an HTTP request to an HTTPS "
        "server.\n";
    async::Socket* socket = plain->socket();
    auto stream = std::make_unique<TlsStream>(std::move(context), std::move(plain));
    ::SSL_set_accept_state(stream->ssl());
    std::exception_ptr failure;
    try {
        co_await stream->shake_hands();
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        if (is_http_request(stream->first_bytes()) && !async::is_cancelled(failure))
            (void)::send(socket->fd(), kNotice.data(), kNotice.size(), MSG_NOSIGNAL);
        std::rethrow_exception(failure);
    }
    TlsAccepted accepted;
    accepted.client_name = common_name(stream->ssl());
    accepted.stream = std::move(stream);
    co_return accepted;
}

async::Task<std::unique_ptr<async::Stream>> tls_connect(std::shared_ptr<TlsContext> context,
                                                        std::unique_ptr<async::Stream> plain,
                                                        std::string host) {
    auto stream = std::make_unique<TlsStream>(std::move(context), std::move(plain));
    ::SSL_set_connect_state(stream->ssl());
    stream->expect_host(host);
    try {
        co_await stream->shake_hands();
    } catch (const Error& error) {
        if (error.code() == ETIMEDOUT)
            throw Error(ErrorKind::unavailable, "net/http: TLS handshake timeout", ETIMEDOUT);
        if (stream->first_bytes().starts_with("HTTP/"))
            throw Error(ErrorKind::unavailable, "http: server gave HTTP response to HTTPS client");
        throw;
    }
    co_return std::unique_ptr<async::Stream>(std::move(stream));
}

}  // namespace berth::http
