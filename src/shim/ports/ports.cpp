// SPDX-License-Identifier: Apache-2.0
#include "shim/ports/ports.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "shim/memory.h"
#include "shim/ports/held_ports.h"
#include "shim/protocol.h"
#include "shim/server.h"
#include "sys/file.h"

// Made by the linker: where the read-only part of the program begins and ends.
extern "C" char __executable_start, etext;

namespace berth::shim {

namespace {

constexpr int kMajor = 1;
constexpr int kMinor = 0;
/// So that an answer with as many fits into a message.
constexpr size_t kMaxListed = 256;
constexpr rlim_t kManyDescriptors = 1'048'576;  // fs.nr_open

struct Options {
    std::string directory, name;  ///< of the socket
    std::chrono::milliseconds linger{10'000};
};

Options parse(int argc, char** argv) {
    Options options;
    bool tagged = false;
    for (int i = 1; i + 1 < argc; i += 2) {
        std::string_view name = argv[i];
        std::string value = argv[i + 1];
        if (name == "--tag") {
            tagged = true;
        } else if (name == "--socket") {
            size_t slash = value.rfind('/');
            if (slash != std::string::npos) {
                options.directory = value.substr(0, slash + 1);
                options.name = value.substr(slash + 1);
            }
        } else if (auto ms = parse_number<uint32_t>(value); name == "--linger" && ms) {
            options.linger = std::chrono::milliseconds(*ms);
        } else {
            options.name.clear();
            break;
        }
    }
    if (argc % 2 == 0 || !tagged || options.name.empty())
        throw Error(ErrorKind::invalid_argument,
                    "usage: berth-shim ports --tag TAG --socket PATH [--linger MS]");
    return options;
}

json::Object greeting() {
    return {{"major", kMajor}, {"minor", kMinor}, {"version", BERTH_VERSION}, {"pid", ::getpid()}};
}

std::vector<WantedPort> ports_of(const json::Object& body) {
    const json::Value* list = body.if_contains("ports");
    if (list == nullptr || !list->is_array())
        throw Error(ErrorKind::invalid_argument, "a request without \"ports\"");
    std::vector<WantedPort> ports;
    for (const json::Value& value : list->get_array()) ports.push_back(decode_port(value));
    return ports;
}

/// Takes the program's code out of this process's page tables: it is only mapped, and comes back page by page
/// from the page cache. With few containers nobody shares it.
void unmap_program() noexcept {
    auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    auto end = reinterpret_cast<uintptr_t>(&etext);
    char* start = &__executable_start;
    (void)::madvise(start, (end - reinterpret_cast<uintptr_t>(start)) / page * page, MADV_DONTNEED);
}

/// The requests, and when it is over.
class Holder final : private RequestHandler {
  public:
    Holder(Loop& loop, const Options& options)
        : loop_(loop),
          linger_(options.linger),
          ports_(
              loop, [](void* self) { static_cast<Holder*>(self)->look_for_end(); }, this),
          server_(loop, *this) {
        loop.on_idle([](void* self) { static_cast<Holder*>(self)->give_back(); }, this);
    }

    void listen(UniqueFd socket) { server_.listen(std::move(socket)); }
    /// Whoever started it will ask for something: its end isn't near before that.
    void hand_over(UniqueFd handshake) {
        json::Object ready = greeting();
        ready["ready"] = true;
        send_message(handshake.get(), json::print(ready), {}, true);
        server_.add(std::move(handshake));
    }

  private:
    json::Value handle(Call& call) override {
        std::string_view op = call.body.at("op").get_string();
        if (op == "hello") return greeting();
        if (op == "list") return list(call.body);
        if (op == "hold")
            ports_.hold(ports_of(call.body));
        else if (op == "release")
            ports_.release(ports_of(call.body));
        else
            throw make_error(ErrorKind::not_implemented, "unknown operation \"{}\"", op.substr(0, 64));
        look_for_end();
        return json::Object{};
    }
    void connection_closed(uint64_t) override { look_for_end(); }
    void message_taken() override {}

    json::Value list(const json::Object& body) const {
        const json::Value* value = body.if_contains("from");
        size_t from = value != nullptr && value->is_int64() && value->get_int64() > 0
                          ? static_cast<size_t>(value->get_int64())
                          : 0;
        json::Array listed;
        for (const WantedPort& one : ports_.list(from, kMaxListed))
            listed.push_back(encode_port(one.port, one.target));
        return json::Object{{"count", ports_.count()}, {"ports", std::move(listed)}};
    }

    void look_for_end() {
        if (!ports_.idle()) return end_.cancel();
        if (server_.connections() == 0)
            loop_.stop();
        else if (!end_.armed())
            end_.arm<&Holder::end>(loop_, linger_, this);
    }
    /// A client whose request comes too late finds its connection closed, and starts another process.
    void end() { loop_.stop(); }
    void give_back() noexcept {
        ports_.drop_buffer();
        return_memory();
        unmap_program();
    }

    Loop& loop_;
    std::chrono::milliseconds linger_;
    HeldPorts ports_;
    Server server_;
    Timer end_;
};

/// There is one process for a socket. Held until the process ends: whoever starts the next one waits.
UniqueFd lock(int directory, const std::string& name) {
    std::string file = name.substr(0, name.rfind('.')) + ".lock";
    UniqueFd fd = sys::open_at(directory, file, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    struct flock all{};
    all.l_type = F_WRLCK;
    if (::fcntl(fd.get(), F_OFD_SETLK, &all) < 0)
        throw errno_error(errno, "another process holds the ports: " + file);
    return fd;
}

void raise_limit() noexcept {
    rlimit limit{kManyDescriptors, kManyDescriptors};
    if (::setrlimit(RLIMIT_NOFILE, &limit) == 0 || ::getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Keeps of the streams the log: a file that is there while it says something.
class OwnLog {
  public:
    OwnLog(int directory, const std::string& name)
        : directory_(directory), name_(name.substr(0, name.rfind('.')) + ".log") {
        UniqueFd null = sys::open_file("/dev/null", O_RDWR);
        UniqueFd file(
            ::openat(directory, name_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640));
        sys::check(::dup2(null.get(), 0), "dup2");
        sys::check(::dup2(null.get(), 1), "dup2");
        sys::check(::dup2(file ? file.get() : null.get(), 2), "dup2");
    }
    ~OwnLog() {
        struct stat file{};
        if (::fstatat(directory_, name_.c_str(), &file, AT_SYMLINK_NOFOLLOW) == 0 && file.st_size == 0)
            ::unlinkat(directory_, name_.c_str(), 0);
    }
    OwnLog(const OwnLog&) = delete;
    OwnLog& operator=(const OwnLog&) = delete;

  private:
    int directory_;
    std::string name_;
};

void outlive_signals() {
    for (int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2})
        ::signal(number, SIG_IGN);
    sigset_t none;
    ::sigemptyset(&none);
    sys::check(::sigprocmask(SIG_SETMASK, &none, nullptr), "sigprocmask");
}

/// Nobody's child but init's, in a session of its own. Only the process that stays comes back.
void detach() {
    outlive_signals();
    pid_t pid = sys::check(::fork(), "fork");
    if (pid > 0) ::_exit(0);
    ::setsid();
    sys::check(::chdir("/"), "chdir /");
    ::umask(0022);
    ::prctl(PR_SET_NAME, "berth-shim");
    raise_limit();
    ::mallopt(M_ARENA_MAX, 1);
    ::mallopt(M_MMAP_THRESHOLD, 64 * 1024);
    ::mallopt(M_TRIM_THRESHOLD, 64 * 1024);
    ::mallopt(M_TOP_PAD, 16 * 1024);
}

/// `handshake` is taken once all is made that may fail.
void serve(const Options& options, UniqueFd& handshake) {
    UniqueFd directory = sys::open_file(options.directory, O_RDONLY | O_DIRECTORY);
    UniqueFd locked = lock(directory.get(), options.name);
    OwnLog log(directory.get(), options.name);
    Loop loop;
    Holder holder(loop, options);
    holder.listen(listen_beneath(directory.get(), options.name, 0600));
    try {
        holder.hand_over(std::move(handshake));
        loop.run();
    } catch (...) {
        log::write(log::Level::error, "ports: " + current_exception_message());
    }
    // While it is locked: the next process's socket has this name too.
    ::unlinkat(directory.get(), options.name.c_str(), 0);
}

}  // namespace

int ports_main(int argc, char** argv) {
    Options options;
    try {
        options = parse(argc, argv);
    } catch (const Error& error) {
        log::error("{}", error.what());
        return 2;
    }
    ::close_range(STDERR_FILENO + 1, ~0U, 0);
    UniqueFd handshake;
    try {
        handshake.reset(sys::check(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), "descriptor 0"));
        detach();
        serve(options, handshake);
        return 0;
    } catch (const Error& error) {
        send_message(handshake.get(), json::print(json::Object{{"error", encode_error(error)}}), {}, true);
        return 1;
    }
}

}  // namespace berth::shim
